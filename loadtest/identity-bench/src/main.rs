//! `make bench-identity`: figures of the identity graph, and of what one would use instead, on one input.
//!
//! Every step of every size runs in a process of its own, one after the other, so that none inherits another's memory;
//! they say their figures on standard output and the process that started them collects them.

mod counting;
mod figures;
mod graph;
mod input;
mod measure;
mod plot;
mod references;
mod snapshot;

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand, ValueEnum};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use figures::Figure;

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

/// Measures the identity graph.
///
/// Customers of 2 to 6 identifiers (a user id, an e-mail, a phone, devices), about one in a thousand with somebody
/// else's e-mail or device, their links in random order in messages of 500. Rates are per second of one core's processor
/// time; `(wall)` is the same by the clock on the wall, which other work on the machine lengthens.
#[derive(Debug, Parser)]
#[command(name = "identity-bench")]
struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Measure everything at each size and print the goals; fails only if something could not be measured.
    Run(Run),
    /// Measure one step of one size, in this process.
    One(One),
    /// Draw the plot and write the table anew from a CSV of an earlier run.
    Plot {
        /// Folder with `identity.csv`.
        folder: PathBuf,
    },
}

#[derive(Debug, clap::Args)]
struct Run {
    /// Sizes in millions of identifiers.
    #[arg(long, value_delimiter = ',', default_value = "1,10,100")]
    sizes: Vec<f64>,
    /// What to measure at these sizes.
    #[arg(long, value_delimiter = ',', default_value = "graph,latency,replay,bytes,union-find,dash-map,scipy")]
    steps: Vec<Step>,
    /// Further sizes in millions at which only the graph's rates are measured, for the plot; those above the largest of
    /// `--sizes` are left out.
    #[arg(long, value_delimiter = ',', default_value = "0.001,0.003,0.01,0.03,0.1,0.3,3,30")]
    curve: Vec<f64>,
    /// Rounds of lookups, of which the median counts.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Python with NumPy and SciPy; without it that reference is left out.
    #[arg(long)]
    python: Option<PathBuf>,
    /// Where `identity.csv`, `identity.md` and `identity.svg` go.
    #[arg(long)]
    out: PathBuf,
    /// Where large temporary files go.
    #[arg(long, default_value = "/tmp")]
    scratch: PathBuf,
}

#[derive(Debug, clap::Args)]
struct One {
    step: Step,
    /// How many identifiers.
    identifiers: u64,
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Where large temporary files go; without it no snapshot is written.
    #[arg(long)]
    scratch: Option<PathBuf>,
    #[arg(long)]
    python: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Step {
    /// Links, merges, lookups, snapshot.
    Graph,
    /// Times of single lookups while links are applied.
    Latency,
    /// Links from the log's bytes, as a start without a snapshot reads them; the broker's part is not in it.
    Replay,
    /// Bytes of an identifier and of an edge.
    Bytes,
    /// The reference of `HashMap` and `petgraph::UnionFind`.
    UnionFind,
    /// The reference of `DashMap`.
    DashMap,
    /// The reference of SciPy's `connected_components`.
    Scipy,
}

impl Step {
    /// Bytes an identifier that the step may take at its peak: generous, so that the machine never swaps.
    fn peak_bytes(self) -> u64 {
        match self {
            Step::Graph | Step::Latency | Step::Replay | Step::DashMap => 80,
            Step::Bytes | Step::UnionFind => 100,
            Step::Scipy => 60,
        }
    }
}

fn main() -> Result<()> {
    match Arguments::parse().action {
        Action::Run(run) => run_all(&run),
        Action::One(one) => run_one(&one),
        Action::Plot { folder } => {
            let text = fs::read_to_string(folder.join("identity.csv"))?;
            write_out(&folder, &figures::from_csv(&text)?)
        }
    }
}

fn run_one(one: &One) -> Result<()> {
    match one.step {
        Step::Graph => graph::run(one.identifiers, one.rounds, one.scratch.as_deref()),
        Step::Latency => graph::latency(one.identifiers),
        Step::Replay => graph::replay(one.identifiers),
        Step::Bytes => graph::bytes(one.identifiers),
        Step::UnionFind => references::union_find(one.identifiers, one.rounds),
        Step::DashMap => references::dash_map(one.identifiers, one.rounds),
        Step::Scipy => scipy(one),
    }
}

fn scipy(one: &One) -> Result<()> {
    let (python, scratch) = (one.python.as_ref().context("no python")?, one.scratch.as_ref().context("no scratch")?);
    let file = scratch.join(format!("identity-bench-{}.edges", std::process::id()));
    references::write_edges(one.identifiers, &file)?;
    let script = include_str!("connected_components.py");
    let rounds = one.rounds.min(3).to_string();
    let status =
        Command::new(python).args(["-c", script, &one.identifiers.to_string()]).arg(&file).arg(rounds).status();
    fs::remove_file(&file)?;
    if !status?.success() {
        bail!("SciPy did not answer");
    }
    Ok(())
}

fn run_all(run: &Run) -> Result<()> {
    let millions = |sizes: &[f64]| sizes.iter().map(|size| (size * 1e6) as u64).collect::<Vec<u64>>();
    let sizes = millions(&run.sizes);
    let largest = sizes.iter().copied().max().context("no sizes")?;
    let mut plan: Vec<(u64, Step)> = Vec::new();
    plan.extend(millions(&run.curve).into_iter().filter(|size| *size < largest).map(|size| (size, Step::Graph)));
    plan.extend(sizes.iter().flat_map(|size| run.steps.iter().map(|step| (*size, *step))));
    let (mut figures, mut skipped, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    println!("identifiers  figure");
    for (size, step) in plan {
        let name = format!("{step:?} at {}", figures::readable(size as f64));
        if step == Step::Scipy && run.python.is_none() {
            skipped.push(format!("{name}: no Python with SciPy"));
            continue;
        }
        let needed = size * step.peak_bytes() + (64 << 20);
        if let Some(available) = measure::available_bytes().filter(|available| *available < needed) {
            let gib = |bytes: u64| bytes as f64 / f64::from(1 << 30);
            skipped.push(format!("{name}: needs {:.1} GiB, {:.1} are free", gib(needed), gib(available)));
            continue;
        }
        match process(run, size, step) {
            Ok(found) => figures.extend(found),
            Err(error) => failed.push(format!("{name}: {error:#}")),
        }
        fs::create_dir_all(&run.out)?;
        write_out(&run.out, &figures)?;
    }
    skipped.iter().for_each(|what| println!("skipped {what}"));
    failed.iter().for_each(|what| println!("failed {what}"));
    print!("{}", figures::goals(&figures));
    if !failed.is_empty() {
        bail!("{} steps could not be measured", failed.len());
    }
    Ok(())
}

/// Runs one step in a process of its own and repeats what it says.
fn process(run: &Run, size: u64, step: Step) -> Result<Vec<Figure>> {
    let name = step.to_possible_value().context("every step has a name")?.get_name().to_owned();
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["one", &name, &size.to_string(), "--rounds", &run.rounds.to_string()]);
    command.arg("--scratch").arg(&run.scratch).stdout(Stdio::piped());
    if let Some(python) = &run.python {
        command.arg("--python").arg(python);
    }
    let mut child = command.spawn()?;
    let mut figures = Vec::new();
    for line in BufReader::new(child.stdout.take().context("its output was piped")?).lines() {
        let line = line?;
        match figures::heard(&line) {
            Some(figure) => {
                println!("{}", figures::line(&figure));
                figures.push(figure);
            }
            None => println!("{line}"),
        }
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("its process ended with {status}");
    }
    Ok(figures)
}

fn write_out(folder: &Path, figures: &[Figure]) -> Result<()> {
    fs::write(folder.join("identity.csv"), figures::csv(figures))?;
    fs::write(folder.join("identity.md"), figures::markdown(figures))?;
    Ok(fs::write(folder.join("identity.svg"), plot::svg(figures))?)
}
