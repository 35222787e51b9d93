//! Rows of ClickHouse as a table for a terminal.

use comfy_table::{Cell, CellAlignment, ContentArrangement, Row, Table};

/// A result in the format `TabSeparatedWithNamesAndTypes`, taken apart.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct TypedRows {
    pub(crate) names: Vec<String>,
    pub(crate) types: Vec<String>,
    /// `None` is NULL.
    pub(crate) rows: Vec<Vec<Option<String>>>,
}

/// The format that [`TypedRows::parse`] reads: the only text format with types and an unmistakable NULL.
pub(crate) const FORMAT: &str = "TabSeparatedWithNamesAndTypes";

/// Columns of the terminal that a table's column takes at least, or it says nothing.
const MIN_COLUMN: usize = 9;

fn cut(line: String, width: Option<usize>) -> String {
    match width {
        Some(width) if line.chars().count() > width => {
            line.chars().take(width.saturating_sub(1)).chain(['…']).collect()
        }
        _ => line,
    }
}

/// The lines of our tables: one under the header.
pub(crate) const LINES: &str = "     ──            ";

impl TypedRows {
    /// Takes the text apart.
    pub(crate) fn parse(text: &str) -> Self {
        let mut lines = text.lines();
        let mut header =
            || lines.next().map(|line| line.split('\t').map(unescape).collect::<Vec<_>>()).unwrap_or_default();
        let (names, types) = (header(), header());
        let rows = lines
            .map(|line| line.split('\t').map(|cell| if cell == "\\N" { None } else { Some(unescape(cell)) }).collect())
            .collect();
        TypedRows { names, types, rows }
    }

    /// The rows for a terminal of this many columns: as a table, or one value a line where a table would be a comb.
    pub(crate) fn render(&self, width: Option<u16>) -> String {
        let fits = width.is_none_or(|width| self.names.len() * MIN_COLUMN <= usize::from(width));
        if fits { self.table(width).trim_fmt() } else { self.expanded(width.map(usize::from)) }
    }

    fn expanded(&self, width: Option<usize>) -> String {
        let longest = self.names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        let mut text = String::new();
        for (number, row) in self.rows.iter().enumerate() {
            text += &format!("── row {}\n", number + 1);
            for (name, value) in self.names.iter().zip(row) {
                let line = format!("{name:<longest$}  {}", value.as_deref().map_or("NULL".to_owned(), one_line));
                text += &cut(line, width);
                text.push('\n');
            }
        }
        text.truncate(text.trim_end().len());
        text
    }

    /// The table, each row on one line, cut to `width` columns if given.
    pub(crate) fn table(&self, width: Option<u16>) -> Table {
        let mut table = Table::new();
        table.load_preset(LINES).set_truncation_indicator("…");
        if let Some(width) = width {
            table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
        }
        let mut header = Row::from(self.names.iter().map(|name| Cell::new(one_line(name))).collect::<Vec<_>>());
        header.max_height(1);
        table.set_header(header);
        let columns: Vec<Style> = (0..self.names.len()).map(|at| self.style(at)).collect();
        for row in &self.rows {
            let cells = row.iter().zip(&columns);
            let cells: Vec<Cell> = cells.map(|(value, style)| style.cell(value.as_deref())).collect();
            let mut row = Row::from(cells);
            row.max_height(1);
            table.add_row(row);
        }
        table
    }

    fn style(&self, column: usize) -> Style {
        if !self.types.get(column).is_some_and(|name| is_number(name)) {
            return Style::Text;
        }
        let long = |row: &Vec<Option<String>>| row[column].as_deref().is_some_and(|text| whole_digits(text) > 4);
        if self.rows.iter().any(long) { Style::LongNumbers } else { Style::Numbers }
    }
}

/// How the values of a column are written.
#[derive(Clone, Copy)]
enum Style {
    Text,
    /// None has more than four digits: they may be years.
    Numbers,
    /// In groups of three digits: `12,345,678` reads, `12345678` does not.
    LongNumbers,
}

impl Style {
    fn cell(self, value: Option<&str>) -> Cell {
        let (text, alignment) = match (self, value) {
            (Style::Text, text) => (text.map(one_line), CellAlignment::Left),
            (Style::Numbers, text) => (text.map(str::to_owned), CellAlignment::Right),
            (Style::LongNumbers, text) => (text.map(grouped), CellAlignment::Right),
        };
        Cell::new(text.unwrap_or_else(|| "NULL".to_owned())).set_alignment(alignment)
    }
}

/// Undoes the escapes of ClickHouse's TabSeparated.
fn unescape(cell: &str) -> String {
    let mut out = String::with_capacity(cell.len());
    let mut chars = cell.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        out.push(match chars.next() {
            Some('t') => '\t',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('0') => '\0',
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some(other) => other,
            None => '\\',
        });
    }
    out
}

/// Line breaks and other control characters would tear the table.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c == '\n' {
                '⏎'
            } else if c.is_control() {
                ' '
            } else {
                c
            }
        })
        .collect()
}

fn is_number(name: &str) -> bool {
    let name = name.strip_prefix("LowCardinality(").unwrap_or(name);
    let name = name.strip_prefix("Nullable(").unwrap_or(name);
    ["Int", "UInt", "Float", "Decimal", "BFloat"].iter().any(|prefix| name.starts_with(prefix))
}

/// Digits before the point; 0 when it is no plain number (`1e30`, `nan`).
fn whole_digits(text: &str) -> usize {
    let whole = text.strip_prefix('-').unwrap_or(text).split('.').next().unwrap_or(text);
    if whole.bytes().all(|byte| byte.is_ascii_digit()) { whole.len() } else { 0 }
}

fn grouped(text: &str) -> String {
    let digits = whole_digits(text);
    let sign = usize::from(text.starts_with('-'));
    let mut out = text[..sign].to_owned();
    for (at, digit) in text[sign..sign + digits].chars().enumerate() {
        if at > 0 && (digits - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out + &text[sign + digits..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nulls_escapes_and_types() {
        let rows =
            TypedRows::parse("a\tb\nNullable(String)\tUInt64\n\\N\t1\nx\\ty\\\\N\\n\t18446744073709551615\n\t\n");
        assert_eq!(rows.names, ["a", "b"]);
        assert_eq!(rows.rows[0], [None, Some("1".to_owned())]);
        assert_eq!(rows.rows[1][0].as_deref(), Some("x\ty\\N\n"));
        assert_eq!(rows.rows[2], [Some(String::new()), Some(String::new())]);
        let table = rows.table(None).to_string();
        assert!(table.contains("18,446,744,073,709,551,615") && table.contains("NULL"), "{table}");
    }

    #[test]
    fn cut_to_the_width_and_one_line_a_row() {
        let text = format!("name\tvalue\nString\tString\nshort\t{}\n", "many words ".repeat(50));
        let table = TypedRows::parse(&text).table(Some(60)).to_string();
        assert!(table.lines().all(|line| line.chars().count() <= 60), "{table}");
        assert_eq!(table.lines().count(), 3, "{table}");
        assert!(table.contains('…'), "{table}");
    }

    #[test]
    fn many_columns_are_written_one_value_a_line() {
        let names: Vec<String> = (0..12).map(|at| format!("column_{at}")).collect();
        let text = format!(
            "{0}\n{1}\n{2}\n{2}\n",
            names.join("\t"),
            ["String"; 12].join("\t"),
            ["a long value"; 12].join("\t")
        );
        let rendered = TypedRows::parse(&text).render(Some(20));
        assert_eq!(rendered.lines().count(), 26);
        assert!(rendered.starts_with("── row 1\ncolumn_0   a long v…"), "{rendered}");
    }

    #[test]
    fn groups_of_digits() {
        for (from, to) in [
            ("1234", "1,234"),
            ("-1234567", "-1,234,567"),
            ("12345.678", "12,345.678"),
            ("1e30", "1e30"),
            ("nan", "nan"),
            ("0", "0"),
            ("-0.5", "-0.5"),
        ] {
            assert_eq!(grouped(from), to);
        }
    }

    #[test]
    fn a_column_is_grouped_as_a_whole_or_not_at_all() {
        let table = TypedRows::parse("year\tn\nUInt16\tInt64\n2025\t8600\n2026\t-12345\n").table(None).to_string();
        assert!(table.contains("2025") && table.contains("8,600") && table.contains("-12,345"), "{table}");
    }
}
