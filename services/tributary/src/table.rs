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

impl TypedRows {
    /// Takes the text apart.
    pub(crate) fn parse(text: &str) -> Self {
        let mut lines = text.lines();
        let mut header = || {
            lines
                .next()
                .map(|line| line.split('\t').map(unescape).collect::<Vec<_>>())
                .unwrap_or_default()
        };
        let (names, types) = (header(), header());
        let rows = lines
            .map(|line| {
                line.split('\t')
                    .map(|cell| {
                        if cell == "\\N" {
                            None
                        } else {
                            Some(unescape(cell))
                        }
                    })
                    .collect()
            })
            .collect();
        TypedRows { names, types, rows }
    }

    /// The table, each row on one line, cut to `width` columns if given.
    pub(crate) fn table(&self, width: Option<u16>) -> Table {
        let mut table = Table::new();
        table.load_preset(comfy_table::presets::UTF8_HORIZONTAL_ONLY);
        table.set_truncation_indicator("…");
        if let Some(width) = width {
            table
                .set_content_arrangement(ContentArrangement::Dynamic)
                .set_width(width);
        }
        let mut header = Row::from(
            self.names
                .iter()
                .map(|name| Cell::new(one_line(name)))
                .collect::<Vec<_>>(),
        );
        header.max_height(1);
        table.set_header(header);
        for row in &self.rows {
            let cells: Vec<Cell> = row
                .iter()
                .enumerate()
                .map(|(at, value)| self.cell(at, value.as_deref()))
                .collect();
            let mut row = Row::from(cells);
            row.max_height(1);
            table.add_row(row);
        }
        table
    }

    fn cell(&self, column: usize, value: Option<&str>) -> Cell {
        let number = self.types.get(column).is_some_and(|name| is_number(name));
        match value {
            None => Cell::new("NULL").set_alignment(if number {
                CellAlignment::Right
            } else {
                CellAlignment::Left
            }),
            Some(text) if number => Cell::new(grouped(text)).set_alignment(CellAlignment::Right),
            Some(text) => Cell::new(one_line(text)),
        }
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
    ["Int", "UInt", "Float", "Decimal", "BFloat"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

/// Digits of long whole numbers in groups of three: `12_345_678` reads, `12345678` does not. Four digits may be a year.
fn grouped(text: &str) -> String {
    let (sign, rest) = text
        .strip_prefix('-')
        .map_or(("", text), |rest| ("-", rest));
    let (whole, fraction) = rest
        .split_once('.')
        .map_or((rest, None), |(whole, fraction)| (whole, Some(fraction)));
    if whole.len() < 5 || !whole.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.to_owned();
    }
    let mut out = sign.to_owned();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if let Some(fraction) = fraction {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nulls_escapes_and_types() {
        let rows = TypedRows::parse(
            "a\tb\nNullable(String)\tUInt64\n\\N\t1\nx\\ty\\\\N\\n\t18446744073709551615\n\t\n",
        );
        assert_eq!(rows.names, ["a", "b"]);
        assert_eq!(rows.rows[0], [None, Some("1".to_owned())]);
        assert_eq!(rows.rows[1][0].as_deref(), Some("x\ty\\N\n"));
        assert_eq!(rows.rows[2], [Some(String::new()), Some(String::new())]);
        let table = rows.table(None).to_string();
        assert!(
            table.contains("18,446,744,073,709,551,615") && table.contains("NULL"),
            "{table}"
        );
    }

    #[test]
    fn cut_to_the_width_and_one_line_a_row() {
        let text = format!(
            "name\tvalue\nString\tString\nshort\t{}\n",
            "many words ".repeat(50)
        );
        let table = TypedRows::parse(&text).table(Some(60)).to_string();
        assert!(
            table.lines().all(|line| line.chars().count() <= 60),
            "{table}"
        );
        assert_eq!(table.lines().count(), 5, "{table}");
        assert!(table.contains('…'), "{table}");
    }

    #[test]
    fn groups_of_digits() {
        for (from, to) in [
            ("1234", "1234"),
            ("-1234567", "-1,234,567"),
            ("12345.678", "12,345.678"),
            ("1e30", "1e30"),
            ("nan", "nan"),
        ] {
            assert_eq!(grouped(from), to);
        }
    }
}
