//! Clocks, medians, and a histogram of nanoseconds.

use std::time::Instant;

/// Processor time and wall time of one stretch of work.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Spent {
    pub(crate) cpu_s: f64,
    pub(crate) wall_s: f64,
}

impl std::ops::AddAssign for Spent {
    fn add_assign(&mut self, other: Spent) {
        self.cpu_s += other.cpu_s;
        self.wall_s += other.wall_s;
    }
}

/// Processor time of this thread: what others do on the machine takes none of it.
fn thread_cpu_s() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the clock writes one `timespec`, and the pointer is to one.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) } != 0;
    assert!(!failed, "the system tells no processor time of a thread");
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// What running this took, and its answer.
pub(crate) fn spent<T>(work: impl FnOnce() -> T) -> (Spent, T) {
    let (cpu, wall) = (thread_cpu_s(), Instant::now());
    let answer = work();
    (Spent { cpu_s: thread_cpu_s() - cpu, wall_s: wall.elapsed().as_secs_f64() }, answer)
}

/// The middle one; 0 of none.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// Exact to a nanosecond below this.
const EXACT_NS: usize = 16_384;

/// How often something took how long.
#[derive(Debug)]
pub(crate) struct Histogram {
    exact: Vec<u64>,
    /// By powers of two above.
    longer: [u64; 64],
    count: u64,
    longest_ns: u64,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        Histogram { exact: vec![0; EXACT_NS], longer: [0; 64], count: 0, longest_ns: 0 }
    }

    pub(crate) fn add(&mut self, ns: u64) {
        match self.exact.get_mut(ns as usize) {
            Some(count) => *count += 1,
            None => self.longer[ns.ilog2() as usize] += 1,
        }
        self.count += 1;
        self.longest_ns = self.longest_ns.max(ns);
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    pub(crate) fn longest_ns(&self) -> u64 {
        self.longest_ns
    }

    /// The time that this share of all stayed within; above 16 µs, the next power of two.
    pub(crate) fn quantile_ns(&self, share: f64) -> u64 {
        let wanted = (self.count as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (ns, count) in (0..).zip(&self.exact) {
            seen += count;
            if seen >= wanted {
                return ns;
            }
        }
        for (power, count) in (0..).zip(&self.longer) {
            seen += count;
            if seen >= wanted {
                return 2 << power;
            }
        }
        self.longest_ns
    }
}

/// Memory that this process holds, as the system counts it, in bytes.
pub(crate) fn resident_bytes() -> u64 {
    status_kib("/proc/self/status", "VmRSS:").unwrap_or(0) * 1024
}

/// Memory that can be had, in bytes; `None` where the system does not say.
pub(crate) fn available_bytes() -> Option<u64> {
    status_kib("/proc/meminfo", "MemAvailable:").map(|kib| kib * 1024)
}

fn status_kib(file: &str, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| line.strip_prefix(name))?.trim().split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_the_times_added() {
        let mut histogram = Histogram::new();
        (1..=1000).for_each(|ns| histogram.add(ns));
        histogram.add(1 << 20);
        assert_eq!((histogram.quantile_ns(0.5), histogram.quantile_ns(0.99)), (501, 991));
        assert_eq!((histogram.quantile_ns(1.0), histogram.longest_ns()), (2 << 20, 1 << 20));
    }
}
