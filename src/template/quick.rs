//! The part of the expression language that runs without minijinja's machine.

use std::sync::Arc;

use super::bounds::MOST_OF_A_VALUE;
use super::expression::is_name;
use super::intern::Interner;
use super::scope::{Scope, Val};
use super::token::{Token, tokens};

/// Operators within operators, at most; deeper ones are minijinja's.
const DEEPEST: usize = 24;

/// Numbers in a range, at most; longer ones are minijinja's to refuse.
const LONGEST_RANGE: i64 = 10_000;

/// An expression as a tree.
#[derive(Debug)]
pub(super) enum Quick {
    /// A variable.
    Name(Arc<str>),
    /// A field of a variable.
    Field(Arc<str>, Box<str>),
    Bool(bool),
    Int(i64),
    Text(Box<str>),
    Not(Box<Quick>),
    Both(Operator, Box<(Quick, Quick)>),
    /// `is defined`, or `is not defined` where the flag is false.
    Defined(Box<Quick>, bool),
    Filter(Filter, Box<Quick>),
    /// `… if … else …`: the condition, and the two values.
    If(Box<(Quick, Quick, Quick)>),
    /// `default(…)`.
    Default(Box<(Quick, Quick)>),
    /// `range(…, …)`.
    Range(Box<(Quick, Quick)>),
    /// `replace(…, …)`.
    Replace(Box<Quick>, Box<str>, Box<str>),
}

/// An operator with two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Or,
    And,
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Add,
    Subtract,
    Join,
    Multiply,
}

/// A filter without arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filter {
    Int,
    Upper,
    Lower,
    Text,
}

impl Quick {
    /// The tree of `text`; `None` where it says something that the tree has not.
    pub(super) fn parse(text: &str, interner: &Interner) -> Option<Self> {
        let mut parser = Parser {
            tokens: tokens(text)?,
            at: 0,
            depth: 0,
            interner,
        };
        let tree = parser.conditional()?;
        (parser.at == parser.tokens.len()).then_some(tree)
    }

    /// The value; `None` where minijinja has to say it, or why there is none.
    pub(super) fn eval<'a>(&'a self, scope: &mut Scope<'a>) -> Option<Val<'a>> {
        match self.eval_any(scope)? {
            Val::Undefined => None,
            value => Some(value),
        }
    }

    /// Appends the value of a name as text; whether it is a name and has one.
    pub(super) fn write_name<'a>(&'a self, scope: &mut Scope<'a>, out: &mut String) -> bool {
        let Self::Name(name) = self else { return false };
        match scope.value(name) {
            Val::Undefined => false,
            value => {
                value.write(out);
                true
            }
        }
    }

    /// The value, undefined ones among them.
    fn eval_any<'a>(&'a self, scope: &mut Scope<'a>) -> Option<Val<'a>> {
        Some(match self {
            Self::Name(name) => scope.get(name),
            Self::Field(name, field) => match scope.value(name) {
                Val::Fields(fields) => fields.get(field).map_or(Val::Undefined, |value| value.as_val()),
                _ => return None,
            },
            Self::Bool(value) => Val::Bool(*value),
            Self::Int(number) => Val::Int(*number),
            Self::Text(text) => Val::Text(text),
            Self::Not(inner) => Val::Bool(!inner.eval(scope)?.is_true()),
            Self::Both(operator, sides) => return both(*operator, &sides.0, &sides.1, scope),
            Self::Defined(inner, wanted) => match **inner {
                // Of a name alone the answer is sure; anything else may fail on the way.
                Self::Name(_) | Self::Field(..) => {
                    Val::Bool(matches!(inner.eval_any(scope)?, Val::Undefined) != *wanted)
                }
                _ => return None,
            },
            Self::Filter(filter, inner) => made(filter.apply(inner.eval(scope)?)?, scope)?,
            Self::If(parts) => {
                let (condition, then, otherwise) = &**parts;
                let chosen = if condition.eval(scope)?.is_true() {
                    then
                } else {
                    otherwise
                };
                return chosen.eval(scope);
            }
            Self::Default(sides) => {
                // The library evaluates an argument whether it is needed or not.
                let fallback = sides.1.eval(scope)?;
                match sides.0.eval_any(scope)? {
                    Val::Undefined => fallback,
                    value => value,
                }
            }
            Self::Range(ends) => match (ends.0.eval(scope)?, ends.1.eval(scope)?) {
                (Val::Int(low), Val::Int(high)) if high.checked_sub(low)? <= LONGEST_RANGE => Val::Range(low, high),
                _ => return None,
            },
            Self::Replace(inner, from, to) => {
                let value = inner.eval(scope)?;
                let text = value.as_str()?;
                // At most that many are found.
                let found = text.len() / from.len().max(1) + 1;
                if found.saturating_mul(to.len()) > MOST_OF_A_VALUE {
                    return None;
                }
                made(Val::Owned(text.replace(&**from, to).into()), scope)?
            }
        })
    }
}

/// A value that was made, where it is within bounds; minijinja says what is wrong with one that is not.
fn made<'a>(value: Val<'a>, scope: &mut Scope<'a>) -> Option<Val<'a>> {
    if let Val::Owned(text) = &value {
        scope.made(text.len())?;
    }
    Some(value)
}

fn both<'a>(operator: Operator, left: &'a Quick, right: &'a Quick, scope: &mut Scope<'a>) -> Option<Val<'a>> {
    let first = left.eval(scope)?;
    match operator {
        // As in Python, the deciding side is the value.
        Operator::And => {
            return if first.is_true() {
                right.eval(scope)
            } else {
                Some(first)
            };
        }
        Operator::Or => {
            return if first.is_true() {
                Some(first)
            } else {
                right.eval(scope)
            };
        }
        _ => {}
    }
    let second = right.eval(scope)?;
    Some(match (operator, &first, &second) {
        (Operator::Join, _, _) => {
            let mut text = String::new();
            for side in [&first, &second] {
                match side {
                    Val::Bool(_) | Val::Other(_) | Val::Fields(_) | Val::Range(..) => return None,
                    side => side.write(&mut text),
                }
            }
            made(Val::Owned(text.into()), scope)?
        }
        (Operator::Add, Val::Int(a), Val::Int(b)) => Val::Int(a.checked_add(*b)?),
        (Operator::Subtract, Val::Int(a), Val::Int(b)) => Val::Int(a.checked_sub(*b)?),
        (Operator::Multiply, Val::Int(a), Val::Int(b)) => Val::Int(a.checked_mul(*b)?),
        (Operator::Equal, Val::Int(a), Val::Int(b)) => Val::Bool(a == b),
        (Operator::Unequal, Val::Int(a), Val::Int(b)) => Val::Bool(a != b),
        (Operator::Less, Val::Int(a), Val::Int(b)) => Val::Bool(a < b),
        (Operator::LessOrEqual, Val::Int(a), Val::Int(b)) => Val::Bool(a <= b),
        (Operator::Greater, Val::Int(a), Val::Int(b)) => Val::Bool(a > b),
        (Operator::GreaterOrEqual, Val::Int(a), Val::Int(b)) => Val::Bool(a >= b),
        (Operator::Equal, a, b) => Val::Bool(a.as_str()? == b.as_str()?),
        (Operator::Unequal, a, b) => Val::Bool(a.as_str()? != b.as_str()?),
        _ => return None,
    })
}

impl Filter {
    fn apply(self, value: Val<'_>) -> Option<Val<'_>> {
        match (self, &value) {
            (Self::Int, Val::Int(_)) => Some(value),
            (Self::Int, _) => {
                let text = value.as_str()?;
                let digits = text.strip_prefix('-').unwrap_or(text);
                let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
                plain.then(|| text.parse().ok()).flatten().map(Val::Int)
            }
            (Self::Upper, _) => Some(Val::Owned(value.as_str()?.to_uppercase().into())),
            (Self::Lower, _) => Some(Val::Owned(value.as_str()?.to_lowercase().into())),
            (Self::Text, Val::Int(_)) => {
                let mut text = String::new();
                value.write(&mut text);
                Some(Val::Owned(text.into()))
            }
            (Self::Text, _) => value.as_str().is_some().then_some(value),
        }
    }
}

/// Follows minijinja's order: if and else, or, and, not, comparisons, + and -, ~, *, filters and tests.
struct Parser<'t> {
    tokens: Vec<Token<'t>>,
    at: usize,
    depth: usize,
    interner: &'t Interner,
}

impl<'t> Parser<'t> {
    fn take(&mut self, sign: &str) -> bool {
        let taken = self.tokens.get(self.at) == Some(&Token::Sign(sign));
        self.at += usize::from(taken);
        taken
    }

    fn take_word(&mut self, word: &str) -> bool {
        let taken = self.tokens.get(self.at) == Some(&Token::Word(word));
        self.at += usize::from(taken);
        taken
    }

    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        if self.depth == DEEPEST {
            return None;
        }
        self.depth += 1;
        let read = read(self);
        self.depth -= 1;
        read
    }

    /// Sides between operators of one rank, from left to right.
    fn row(
        &mut self,
        side: fn(&mut Self) -> Option<Quick>,
        operator: fn(&mut Self) -> Option<Operator>,
    ) -> Option<Quick> {
        let mut tree = side(self)?;
        let mut depth = 0;
        while let Some(operator) = operator(self) {
            depth += 1;
            if depth > DEEPEST {
                return None;
            }
            tree = Quick::Both(operator, Box::new((tree, side(self)?)));
        }
        Some(tree)
    }

    fn conditional(&mut self) -> Option<Quick> {
        let mut tree = self.or()?;
        for _ in 0..DEEPEST {
            if !self.take_word("if") {
                return Some(tree);
            }
            let condition = self.or()?;
            if !self.take_word("else") {
                return None;
            }
            let otherwise = self.deeper(Self::conditional)?;
            tree = Quick::If(Box::new((condition, tree, otherwise)));
        }
        None
    }

    fn or(&mut self) -> Option<Quick> {
        self.deeper(|parser| parser.row(Self::and, |parser| parser.take_word("or").then_some(Operator::Or)))
    }

    fn and(&mut self) -> Option<Quick> {
        self.row(Self::not, |parser| parser.take_word("and").then_some(Operator::And))
    }

    fn not(&mut self) -> Option<Quick> {
        if self.take_word("not") {
            return self.deeper(|parser| Some(Quick::Not(Box::new(parser.not()?))));
        }
        self.compare()
    }

    fn compare(&mut self) -> Option<Quick> {
        let left = self.sum()?;
        let signs = [
            ("==", Operator::Equal),
            ("!=", Operator::Unequal),
            ("<=", Operator::LessOrEqual),
            (">=", Operator::GreaterOrEqual),
            ("<", Operator::Less),
            (">", Operator::Greater),
        ];
        let found = signs.into_iter().find(|(sign, _)| self.take(sign));
        let Some((_, operator)) = found else { return Some(left) };
        let right = self.sum()?;
        // A second comparison in a row means both.
        let again = signs
            .into_iter()
            .any(|(sign, _)| self.tokens.get(self.at) == Some(&Token::Sign(sign)));
        (!again).then(|| Quick::Both(operator, Box::new((left, right))))
    }

    fn sum(&mut self) -> Option<Quick> {
        self.row(Self::join, |parser| {
            let add = parser.take("+").then_some(Operator::Add);
            add.or_else(|| parser.take("-").then_some(Operator::Subtract))
        })
    }

    fn join(&mut self) -> Option<Quick> {
        self.row(Self::product, |parser| parser.take("~").then_some(Operator::Join))
    }

    fn product(&mut self) -> Option<Quick> {
        self.row(Self::filtered, |parser| parser.take("*").then_some(Operator::Multiply))
    }

    fn filtered(&mut self) -> Option<Quick> {
        let mut tree = self.primary()?;
        for _ in 0..DEEPEST {
            if self.take("|") {
                tree = self.filter(tree)?;
            } else if self.take_word("is") {
                let wanted = !self.take_word("not");
                if !self.take_word("defined") {
                    return None;
                }
                tree = Quick::Defined(Box::new(tree), wanted);
            } else {
                return Some(tree);
            }
        }
        None
    }

    fn filter(&mut self, tree: Quick) -> Option<Quick> {
        let Some(Token::Word(word)) = self.tokens.get(self.at).cloned() else {
            return None;
        };
        self.at += 1;
        let filter = match word {
            "int" => Filter::Int,
            "upper" => Filter::Upper,
            "lower" => Filter::Lower,
            "string" => Filter::Text,
            "default" => {
                let fallback = self.arguments()?;
                let [fallback] = <[Quick; 1]>::try_from(fallback).ok()?;
                return Some(Quick::Default(Box::new((tree, fallback))));
            }
            "replace" => {
                let texts = self.arguments()?;
                let [Quick::Text(from), Quick::Text(to)] = <[Quick; 2]>::try_from(texts).ok()? else {
                    return None;
                };
                return Some(Quick::Replace(Box::new(tree), from, to));
            }
            _ => return None,
        };
        let plain = self.tokens.get(self.at) != Some(&Token::Sign("("));
        plain.then(|| Quick::Filter(filter, Box::new(tree)))
    }

    fn arguments(&mut self) -> Option<Vec<Quick>> {
        if !self.take("(") {
            return None;
        }
        let mut arguments = vec![self.conditional()?];
        while self.take(",") {
            arguments.push(self.conditional()?);
        }
        self.take(")").then_some(arguments)
    }

    fn primary(&mut self) -> Option<Quick> {
        let token = self.tokens.get(self.at)?.clone();
        self.at += 1;
        let tree = match token {
            Token::Int(number) => Quick::Int(number),
            Token::Text(text) => Quick::Text(text.into()),
            Token::Word("true" | "True") => Quick::Bool(true),
            Token::Word("false" | "False") => Quick::Bool(false),
            Token::Word("range") if self.tokens.get(self.at) == Some(&Token::Sign("(")) => {
                let mut ends = self.arguments()?.into_iter();
                let tree = match (ends.next()?, ends.next(), ends.next()) {
                    (high, None, None) => Quick::Range(Box::new((Quick::Int(0), high))),
                    (low, Some(high), None) => Quick::Range(Box::new((low, high))),
                    _ => return None,
                };
                return (!self.goes_on()).then_some(tree);
            }
            Token::Word(word) if is_name(word) => {
                let name = self.interner.name(word);
                if self.take(".") {
                    let Some(Token::Word(field)) = self.tokens.get(self.at).cloned() else {
                        return None;
                    };
                    self.at += 1;
                    Quick::Field(name, field.into())
                } else {
                    Quick::Name(name)
                }
            }
            Token::Sign("(") => {
                let inner = self.conditional()?;
                // A comma makes a tuple.
                return (self.take(")") && !self.goes_on()).then_some(inner);
            }
            _ => return None,
        };
        (!self.goes_on()).then_some(tree)
    }

    /// Whether a call, a field or an index follows, which are minijinja's.
    fn goes_on(&self) -> bool {
        matches!(self.tokens.get(self.at), Some(Token::Sign("(" | "." | "[")))
    }
}
