//! As much of ClickHouse's grammar as the front must know: where a statement ends, whether rows follow it, and where
//! its output clauses begin. Everything else is the engine's to understand and to refuse.

use std::ops::Range;

use super::exception::Exception;

/// What a statement asks of the front.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shape {
    /// Rows come out: `text[..output]` is the query itself, `INTO OUTFILE` goes there; the format it names, if any.
    Select { output: usize, end: usize, format: Option<String> },
    /// Rows follow the statement: `INSERT INTO t [(…)] FORMAT f` or `VALUES`.
    Insert { head: usize, format: String, data: usize },
    /// Rows follow, and a SELECT reads them: `INSERT INTO t SELECT … FROM input('…') FORMAT f`.
    InsertSelect { head: usize, input: Range<usize>, format: String, data: usize },
    /// Anything else, run as it is.
    Other { end: usize, kind: Kind },
}

/// Statements that concern the front although the engine runs them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Changes what the connection is set to.
    Use,
    /// Changes settings of the connection.
    Set,
    /// Ends another query.
    Kill,
    /// Reads and leaves no trace.
    Read,
    /// Writes.
    Write,
}

/// Looks at a statement. `text` may go on with the rows of an insert, which are not looked at.
pub(super) fn shape(text: &[u8]) -> Result<Shape, Exception> {
    let mut tokens = Tokens::new(text);
    let Some(first) = tokens.next() else {
        return Err(Exception::new(62, "Syntax error: Empty query"));
    };
    if first.is(text, "insert") {
        return insert(text, tokens);
    }
    let mut rest = Vec::new();
    for token in tokens {
        if token.depth == 0 && token.kind == TokenKind::Word && token.is(text, "insert") && first.is(text, "with") {
            return Ok(Shape::Other { end: end_of(text)?, kind: Kind::Write });
        }
        rest.push(token);
    }
    let end = single(&rest, text.len())?;
    rest.retain(|token| token.start < end);
    refuse_files(text, &rest)?;
    let kind = match first.word(text).as_str() {
        "select" | "with" | "from" | "(" => return Ok(select(text, &rest, end)),
        "use" => Kind::Use,
        "set" => Kind::Set,
        "kill" => Kind::Kill,
        "show" | "describe" | "desc" | "explain" | "exists" | "check" => Kind::Read,
        _ => Kind::Write,
    };
    Ok(Shape::Other { end, kind })
}

/// Finds the output clauses at the end of a query: `[FORMAT f] [SETTINGS …]`.
fn select(text: &[u8], tokens: &[Token], end: usize) -> Shape {
    let top: Vec<&Token> = tokens.iter().filter(|t| t.depth == 0).collect();
    for (i, pair) in top.windows(2).enumerate() {
        let [keyword, name] = pair else { continue };
        let follows = top.get(i + 2);
        let last = follows.is_none_or(|t| t.is(text, "settings"));
        // `ORDER BY format DESC` ends in the same two words.
        let sorts = name.is(text, "desc") || name.is(text, "asc") || name.is(text, "settings");
        if keyword.is(text, "format") && name.kind == TokenKind::Word && last && !sorts {
            return Shape::Select { output: keyword.start, end, format: Some(name.text(text)) };
        }
    }
    Shape::Select { output: end, end, format: None }
}

fn insert(text: &[u8], mut tokens: Tokens<'_>) -> Result<Shape, Exception> {
    let mut after = skip_target(text, &mut tokens);
    while let Some(token) = tokens.next() {
        let opened = std::mem::replace(&mut after, After::Other) == After::Bracket;
        let query = token.is(text, "select") || token.is(text, "with");
        if query && (token.depth == 0 || opened) {
            return insert_select(text, tokens);
        }
        if token.is(text, "(") {
            after = After::Bracket;
        }
        if token.depth > 0 {
            continue;
        }
        match token.word(text).as_str() {
            "format" => {
                let Some(name) = tokens.next() else { break };
                return Ok(Shape::Insert {
                    head: token.start,
                    format: name.text(text),
                    data: data_start(text, name.end),
                });
            }
            "values" => {
                return Ok(Shape::Insert { head: token.start, format: "Values".into(), data: token.end });
            }
            "from" => {
                return Err(Exception::new(78, "Query has infile and was send directly to server"));
            }
            "watch" => {
                return Ok(Shape::Other { end: end_of(text)?, kind: Kind::Write });
            }
            ";" => break,
            _ => {}
        }
    }
    // No format and no rows: whatever follows is in the default format of an insert.
    Ok(Shape::Insert { head: end_of(text)?, format: "Values".into(), data: text.len() })
}

/// What came before a token of an insert's head.
#[derive(PartialEq, Eq)]
enum After {
    Bracket,
    Other,
}

/// Steps over `INTO [TABLE] [FUNCTION] name[.name]`: names may be spelt like keywords.
fn skip_target(text: &[u8], tokens: &mut Tokens<'_>) -> After {
    while let Some(token) = tokens.next() {
        if ["into", "table", "function"].iter().any(|word| token.is(text, word)) {
            continue;
        }
        let mut ahead = tokens.clone();
        while ahead.next().is_some_and(|dot| dot.is(text, ".")) {
            ahead.next();
            *tokens = ahead.clone();
        }
        break;
    }
    After::Other
}

fn insert_select(text: &[u8], mut tokens: Tokens<'_>) -> Result<Shape, Exception> {
    let mut input: Option<Range<usize>> = None;
    let mut previous: Option<Token> = None;
    while let Some(token) = tokens.next() {
        if token.is(text, "(") && input.is_none() {
            input = previous.as_ref().filter(|p| p.is(text, "input")).map(|p| p.start..token.end);
        }
        if let Some(input) = input.clone().filter(|_| token.depth == 0 && token.is(text, "format")) {
            let Some(name) = tokens.next() else { break };
            let data = data_start(text, name.end);
            return Ok(Shape::InsertSelect { head: token.start, input, format: name.text(text), data });
        }
        previous = Some(token);
    }
    if input.is_some() {
        return Err(Exception::new(62, "Syntax error: FORMAT must be specified for function input()"));
    }
    Ok(Shape::Other { end: end_of(text)?, kind: Kind::Write })
}

/// Rows begin behind the format's name, blanks and one line feed.
fn data_start(text: &[u8], mut at: usize) -> usize {
    while matches!(text.get(at), Some(b' ' | b'\t' | 0x0c)) {
        at += 1;
    }
    if text.get(at) == Some(&b'\r') {
        at += 1;
    }
    if text.get(at) == Some(&b'\n') {
        at += 1;
    }
    at
}

fn end_of(text: &[u8]) -> Result<usize, Exception> {
    single(&Tokens::new(text).collect::<Vec<_>>(), text.len())
}

/// The end of the only statement; anything behind its semicolon is refused, as a server does.
fn single(tokens: &[Token], length: usize) -> Result<usize, Exception> {
    let Some(at) = tokens.iter().position(|t| t.kind == TokenKind::Semicolon) else {
        return Ok(length);
    };
    let semicolon = &tokens[at];
    match tokens[at..].iter().find(|t| t.kind != TokenKind::Semicolon) {
        None => Ok(semicolon.start),
        Some(_) => Err(Exception::new(
            62,
            format!(
                "Syntax error (Multi-statements are not allowed): failed at position {} (end of query)",
                semicolon.start + 1
            ),
        )),
    }
}

/// The contents of the strings of a statement, as far as they need no unescaping.
pub(super) fn strings(text: &[u8]) -> Vec<String> {
    let quoted = Tokens::new(text).filter(|token| token.kind == TokenKind::Quoted && text[token.start] == b'\'');
    quoted.map(|token| token.text(text).trim_matches('\'').to_owned()).collect()
}

/// Puts an expression in the place of a bare word.
pub(super) fn replace_word(text: &[u8], word: &str, expression: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    for token in Tokens::new(text).filter(|token| token.is(text, word)) {
        out.extend_from_slice(&text[at..token.start]);
        out.extend_from_slice(expression.as_bytes());
        at = token.end;
    }
    out.extend_from_slice(&text[at..]);
    out
}

/// Files are the client's in ClickHouse; a server never writes them.
fn refuse_files(text: &[u8], tokens: &[Token]) -> Result<(), Exception> {
    let outfile = tokens.windows(2).any(|pair| pair[0].is(text, "into") && pair[1].is(text, "outfile"));
    if outfile { Err(Exception::new(344, "INTO OUTFILE is not allowed")) } else { Ok(()) }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TokenKind {
    /// A bare word: keyword, name, number.
    Word,
    /// A quoted name or a string.
    Quoted,
    Semicolon,
    Other,
}

#[derive(Debug, Clone, Copy)]
struct Token {
    kind: TokenKind,
    start: usize,
    end: usize,
    /// How many brackets are open around it.
    depth: usize,
}

impl Token {
    fn is(&self, text: &[u8], word: &str) -> bool {
        self.kind != TokenKind::Quoted && text[self.start..self.end].eq_ignore_ascii_case(word.as_bytes())
    }

    fn text(&self, text: &[u8]) -> String {
        String::from_utf8_lossy(&text[self.start..self.end]).into_owned()
    }

    fn word(&self, text: &[u8]) -> String {
        if self.kind == TokenKind::Quoted { String::new() } else { self.text(text).to_ascii_lowercase() }
    }
}

/// Tokens of a statement, comments left out.
#[derive(Clone)]
struct Tokens<'t> {
    text: &'t [u8],
    at: usize,
    depth: usize,
}

impl<'t> Tokens<'t> {
    fn new(text: &'t [u8]) -> Self {
        Self { text, at: 0, depth: 0 }
    }

    fn rest(&self) -> &'t [u8] {
        &self.text[self.at..]
    }

    fn skip_blanks_and_comments(&mut self) {
        loop {
            let rest = self.rest();
            if rest.first().is_some_and(|c| c.is_ascii_whitespace() || *c == 0x0b) {
                self.at += 1;
            } else if rest.starts_with(b"--") || rest.starts_with(b"#!") || rest.starts_with(b"# ") {
                self.at += rest.iter().position(|c| *c == b'\n').map_or(rest.len(), |n| n + 1);
            } else if rest.starts_with(b"/*") {
                self.at += find(&rest[2..], b"*/").map_or(rest.len(), |n| n + 4);
            } else {
                return;
            }
        }
    }

    /// The length of a string or quoted name: ends at its quote, which a backslash or a second one escapes.
    fn quoted(&self, quote: u8) -> usize {
        let rest = self.rest();
        let mut i = 1;
        while i < rest.len() {
            match rest[i] {
                b'\\' => i += 2,
                c if c == quote && rest.get(i + 1) == Some(&quote) => i += 2,
                c if c == quote => return i + 1,
                _ => i += 1,
            }
        }
        rest.len()
    }

    /// The length of `$tag$…$tag$`, if there is one here.
    fn heredoc(&self) -> Option<usize> {
        let rest = self.rest();
        let tag = rest[1..].iter().position(|c| !(c.is_ascii_alphanumeric() || *c == b'_'))? + 2;
        if rest.get(tag - 1) != Some(&b'$') {
            return None;
        }
        find(&rest[tag..], &rest[..tag]).map(|n| n + 2 * tag)
    }
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

fn is_word(c: u8) -> bool {
    c.is_ascii_alphanumeric() || c == b'_' || c == b'$' || c >= 0x80
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        self.skip_blanks_and_comments();
        let start = self.at;
        let first = *self.text.get(start)?;
        let (kind, length) = match first {
            b'\'' | b'"' | b'`' => (TokenKind::Quoted, self.quoted(first)),
            b'$' if let Some(length) = self.heredoc() => (TokenKind::Quoted, length),
            b';' => (TokenKind::Semicolon, 1),
            c if is_word(c) => (TokenKind::Word, self.rest().iter().take_while(|c| is_word(**c)).count()),
            _ => (TokenKind::Other, 1),
        };
        if matches!(first, b')' | b']' | b'}') {
            self.depth = self.depth.saturating_sub(1);
        }
        let depth = self.depth;
        if matches!(first, b'(' | b'[' | b'{') {
            self.depth += 1;
        }
        self.at = (start + length).min(self.text.len());
        Some(Token { kind, start, end: self.at, depth })
    }
}

#[cfg(test)]
mod tests;
