//! One line of a template, taken apart from left to right.

use std::sync::Arc;

use super::error::{Place, TemplateError, TemplateReason};
use super::expression::{Expr, Piece, Text};
use super::intern::Interner;
use crate::mib::Object;

/// What is left of a line.
#[derive(Debug, Clone)]
pub(super) struct Line<'a> {
    file: Arc<str>,
    interner: &'a Interner,
    number: usize,
    whole: &'a str,
    at: usize,
}

impl<'a> Line<'a> {
    /// A line; `number` counts from 1.
    pub fn new(file: &Arc<str>, interner: &'a Interner, number: usize, whole: &'a str) -> Self {
        let mut line = Self {
            file: Arc::clone(file),
            interner,
            number,
            whole,
            at: 0,
        };
        line.skip_blanks();
        line
    }

    /// Where the reading is.
    pub fn place(&self) -> Place {
        let before = self.whole.get(..self.at).unwrap_or(self.whole);
        Place {
            file: Arc::clone(&self.file),
            line: self.number,
            column: before.chars().count() + 1,
        }
    }

    /// An error here.
    pub fn wrong(&self, reason: impl Into<TemplateReason>) -> TemplateError {
        TemplateError {
            place: self.place(),
            reason: reason.into(),
        }
    }

    /// What is left, without blanks at its end.
    pub fn rest(&self) -> &'a str {
        self.whole.get(self.at..).unwrap_or_default().trim_end()
    }

    /// The whole line, without blanks at its end.
    pub fn whole(&self) -> &'a str {
        self.whole.trim_end()
    }

    fn skip_blanks(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn advance(&mut self, octets: usize) {
        self.at += octets;
        self.skip_blanks();
    }

    /// The next word.
    pub fn word(&mut self) -> Option<&'a str> {
        let rest = self.rest();
        let word = rest.split_whitespace().next()?;
        self.advance(word.len());
        Some(word)
    }

    /// The next word, where blanks within quotes and `{{ }}` belong to it.
    pub fn object(&mut self) -> Option<&'a str> {
        let rest = self.rest();
        let mut scan = Scan::new(rest);
        while let Some(step) = scan.next() {
            if let Step::Char(c) = step
                && c.is_whitespace()
                && !scan.quoted
            {
                let (object, _) = rest.split_at_checked(scan.at - c.len_utf8())?;
                self.advance(object.len());
                return Some(object);
            }
        }
        self.advance(rest.len());
        (!rest.is_empty()).then_some(rest)
    }

    /// The rest as an expression.
    pub fn expression(&self) -> Result<Arc<Expr>, TemplateError> {
        let text = self.rest();
        if text.is_empty() {
            return Err(self.wrong(TemplateReason::Expected("an expression")));
        }
        self.compile(text)
    }

    /// An expression of this line.
    pub fn compile(&self, text: &str) -> Result<Arc<Expr>, TemplateError> {
        self.interner.expression(text).map_err(|error| {
            self.wrong(TemplateReason::Expression {
                expression: text.trim().chars().take(80).collect(),
                error,
            })
        })
    }

    /// The library's copy of an object.
    pub fn object_copy(&self, object: &Object) -> Arc<Object> {
        self.interner.object(object)
    }

    /// The one copy of a variable's name in the library.
    pub fn name(&self, name: &str) -> Arc<str> {
        self.interner.name(name)
    }

    /// The rest as a value: bare, or in quotes with `\"`, `\\`, `\n` and `\t`.
    pub fn text(&self) -> Result<Text, TemplateError> {
        let rest = self.rest();
        if !rest.starts_with('"') {
            return self.pieces(rest, false);
        }
        let inner = rest.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let inner = inner.filter(|inner| !ends_in_escape(inner));
        match inner {
            Some(inner) => self.pieces(inner, true),
            None => Err(self.wrong(TemplateReason::Expected("a closing quote at the end of the line"))),
        }
    }

    /// A text with expressions in it; `escapes` says that backslashes mean something.
    pub fn pieces(&self, text: &str, escapes: bool) -> Result<Text, TemplateError> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut scan = Scan::new(text);
        scan.quotes_count = false;
        while let Some(step) = scan.next() {
            match step {
                Step::Char('\\') if escapes => match scan.next() {
                    Some(Step::Char('n')) => literal.push('\n'),
                    Some(Step::Char('t')) => literal.push('\t'),
                    Some(Step::Char(c @ ('"' | '\\' | '{'))) => literal.push(c),
                    _ => {
                        return Err(self.wrong(TemplateReason::Expected(
                            "one of \\\" \\\\ \\{ \\n \\t after a backslash",
                        )));
                    }
                },
                Step::Char('"') if escapes => {
                    return Err(self.wrong(TemplateReason::Expected("\\\" for a quote within quotes")));
                }
                Step::Char(c) => literal.push(c),
                Step::Open => return Err(self.wrong(TemplateReason::Expected("}} after {{"))),
                Step::Expression(source) => {
                    if !literal.is_empty() {
                        pieces.push(Piece::Literal(std::mem::take(&mut literal).into()));
                    }
                    pieces.push(Piece::Expr(self.compile(source)?));
                }
            }
        }
        if pieces.is_empty() {
            return Ok(Text::Constant(literal.into()));
        }
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal.into()));
        }
        Ok(Text::Pieces(pieces))
    }
}

/// Whether the text ends in an odd number of backslashes, so that the quote after it is no end.
fn ends_in_escape(text: &str) -> bool {
    text.bytes().rev().take_while(|&octet| octet == b'\\').count() % 2 == 1
}

/// Goes through a text, expressions in one step.
struct Scan<'a> {
    text: &'a str,
    at: usize,
    /// Whether quotes are looked for.
    quotes_count: bool,
    /// Whether the last step is within quotes.
    quoted: bool,
}

/// A step of [`Scan`].
enum Step<'a> {
    Char(char),
    /// What stands between `{{` and `}}`.
    Expression(&'a str),
    /// A `{{` without `}}`.
    Open,
}

impl<'a> Scan<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            quotes_count: true,
            quoted: false,
        }
    }

    fn next(&mut self) -> Option<Step<'a>> {
        let rest = self.text.get(self.at..)?;
        if let Some(inner) = rest.strip_prefix("{{") {
            let Some(length) = expression_length(inner) else {
                self.at = self.text.len();
                return Some(Step::Open);
            };
            self.at += length + 4;
            return inner.get(..length).map(Step::Expression);
        }
        let c = rest.chars().next()?;
        self.at += c.len_utf8();
        if c == '"' && self.quotes_count {
            self.quoted = !self.quoted;
        }
        Some(Step::Char(c))
    }
}

/// How many octets there are before the `}}` that ends an expression; those within its strings do not.
fn expression_length(text: &str) -> Option<usize> {
    let mut quote = None;
    let mut bytes = text.bytes().enumerate();
    while let Some((at, octet)) = bytes.next() {
        match (quote, octet) {
            (None, b'"' | b'\'') => quote = Some(octet),
            (None, b'}') if text.get(at..).is_some_and(|rest| rest.starts_with("}}")) => return Some(at),
            (Some(_), b'\\') => {
                bytes.next();
            }
            (Some(open), octet) if octet == open => quote = None,
            _ => {}
        }
    }
    None
}
