//! Cost of an operation against the size of the graph, as SVG. Flat is the goal.

use std::fmt::Write as _;

use crate::figures::{Figure, readable};

/// What is drawn: the figure's name (a rate), the words beside the line, colour, whether it is a reference.
const SERIES: [(&str, &str, &str, bool); 8] = [
    ("links applied", "link applied", "#d1495b", false),
    ("merges", "merge", "#8d5a97", false),
    ("lookup hit one by one", "lookup, hit", "#00798c", false),
    ("lookup hit in batches of 32", "lookup, hit, in batches", "#30638e", false),
    ("lookup miss in batches of 32", "lookup, miss, in batches", "#66a182", false),
    ("HashMap + UnionFind: links applied", "HashMap + UnionFind: link", "#999999", true),
    ("HashMap + UnionFind: lookup hit one by one", "HashMap + UnionFind: lookup", "#bbbbbb", true),
    ("DashMap: lookup hit one by one", "DashMap: lookup", "#c9a227", true),
];

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 540.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 230.0;
const TOP: f64 = 50.0;
const BOTTOM: f64 = 60.0;

/// Positions on the drawing.
struct Scale {
    /// Powers of ten at both ends.
    from: f64,
    to: f64,
    most_ns: f64,
}

impl Scale {
    fn x(&self, identifiers: f64) -> f64 {
        LEFT + (identifiers.log10() - self.from) / (self.to - self.from) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, ns: f64) -> f64 {
        HEIGHT - BOTTOM - ns / self.most_ns * (HEIGHT - TOP - BOTTOM)
    }
}

/// Points of one line: identifiers, nanoseconds.
fn points(figures: &[Figure], name: &str) -> Vec<(f64, f64)> {
    let mut points: Vec<(f64, f64)> =
        figures.iter().filter(|f| f.name == name).map(|f| (f.identifiers as f64, 1e9 / f.value)).collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    points
}

/// The drawing.
pub(crate) fn svg(figures: &[Figure]) -> String {
    let lines = SERIES.map(|series| (series, points(figures, series.0)));
    let all = || lines.iter().flat_map(|(_, points)| points.iter().copied());
    let least = all().map(|(size, _)| size).fold(f64::INFINITY, f64::min);
    let most = all().map(|(size, _)| size).fold(0.0, f64::max);
    let most_ns = all().map(|(_, ns)| ns).fold(0.0, f64::max);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"13\">\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"24\" font-size=\"17\">Identity graph: processor time of one operation by the number of \
         identifiers</text>\n"
    );
    if most_ns > 0.0 {
        let step = if most_ns > 1000.0 { 200.0 } else { 100.0 };
        let scale = Scale {
            from: least.log10().floor(),
            to: most.log10().ceil().max(least.log10().floor() + 1.0),
            most_ns: (most_ns / step).ceil() * step,
        };
        axes(&mut text, &scale, step);
        draw(&mut text, &scale, &lines);
    }
    text + "</svg>\n"
}

fn axes(text: &mut String, scale: &Scale, step: f64) {
    let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
    let mut ns = 0.0;
    while ns <= scale.most_ns {
        let y = scale.y(ns);
        let _ = writeln!(
            text,
            "<path d=\"M{LEFT} {y:.1}H{right}\" stroke=\"#e5e5e5\"/><text x=\"{:.0}\" y=\"{:.1}\" \
             text-anchor=\"end\">{ns:.0} ns</text>",
            LEFT - 8.0,
            y + 4.0
        );
        ns += step;
    }
    for power in scale.from as i32..=scale.to as i32 {
        let size = 10f64.powi(power);
        let x = scale.x(size);
        let label = readable(size).replace(".00", "").replace(".0", "").replace(' ', "\u{a0}");
        let _ = writeln!(
            text,
            "<path d=\"M{x:.1} {TOP}V{bottom}\" stroke=\"#e5e5e5\"/><text x=\"{x:.1}\" y=\"{:.0}\" \
             text-anchor=\"middle\">{label}</text>",
            bottom + 20.0
        );
    }
    let _ = writeln!(
        text,
        "<text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"middle\">identifiers in the graph</text>",
        f64::midpoint(LEFT, right),
        bottom + 44.0
    );
}

type Line = ((&'static str, &'static str, &'static str, bool), Vec<(f64, f64)>);

fn draw(text: &mut String, scale: &Scale, lines: &[Line]) {
    let drawn = || lines.iter().filter(|(_, points)| !points.is_empty());
    // Words stand beside the lines' ends, a line of text apart.
    let mut ends: Vec<(usize, f64)> =
        drawn().enumerate().map(|(index, (_, points))| (index, scale.y(points[points.len() - 1].1))).collect();
    ends.sort_by(|a, b| b.1.total_cmp(&a.1));
    let mut below = HEIGHT;
    let mut label_y = vec![0.0; ends.len()];
    for (index, y) in ends {
        below = y.min(below - 17.0);
        label_y[index] = below;
    }
    for (((_, words, colour, reference), points), label_y) in drawn().zip(label_y) {
        let path: Vec<String> =
            points.iter().map(|(size, ns)| format!("{:.1} {:.1}", scale.x(*size), scale.y(*ns))).collect();
        let dashes = if *reference { " stroke-dasharray=\"5 4\"" } else { "" };
        let _ = writeln!(
            text,
            "<path d=\"M{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"{dashes}/>",
            path.join("L")
        );
        for (size, ns) in points {
            let (x, y) = (scale.x(*size), scale.y(*ns));
            let _ = writeln!(
                text,
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"><title>{words}: {ns:.0} ns at {}</title></circle>",
                readable(*size)
            );
        }
        let _ = writeln!(
            text,
            "<text x=\"{:.0}\" y=\"{:.1}\" fill=\"{colour}\">{words}</text>",
            WIDTH - RIGHT + 10.0,
            label_y + 4.0
        );
    }
}
