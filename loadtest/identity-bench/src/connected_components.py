"""The batch limit: SciPy's connected components over a file of edges. Prints figures as the other processes do."""

import sys
import time

import numpy
import scipy
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

identifiers, path = int(sys.argv[1]), sys.argv[2]
edges = numpy.fromfile(path, dtype="<u4").reshape(-1, 2)
count = int(edges.max()) + 1
times = []
for _ in range(int(sys.argv[3])):
    cpu, wall = time.process_time(), time.perf_counter()
    ones = numpy.ones(len(edges), dtype=numpy.int8)
    graph = coo_array((ones, (edges[:, 0].astype(numpy.int32), edges[:, 1].astype(numpy.int32))), shape=(count, count))
    components, _ = connected_components(graph.tocsr(), directed=False)
    times.append((time.process_time() - cpu, time.perf_counter() - wall))
cpu, wall = (sorted(column)[len(times) // 2] for column in zip(*times))
name = f"SciPy {scipy.__version__}"
print(f"figure\t{identifiers}\tSciPy: edges in one batch\t{len(edges) / cpu}\t/s")
print(f"figure\t{identifiers}\tSciPy: edges in one batch (wall)\t{len(edges) / wall}\t/s")
print(f"figure\t{identifiers}\tSciPy: components\t{components}\tcustomers")
print(f"{name}: {len(edges)} edges, {components} components, {wall:.2f} s")
