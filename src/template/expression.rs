//! What stands in `{{ }}`, compiled when a template is loaded.

use std::sync::OnceLock;

use minijinja::value::ValueKind;
use minijinja::{Environment, Expression, UndefinedBehavior, Value};

/// A compiled expression. A name alone, the most frequent one, needs no machine to be looked up.
#[derive(Debug)]
pub(super) enum Expr {
    /// A variable.
    Name(Box<str>),
    /// Anything else of minijinja's expression language.
    Compiled(Box<str>, Expression<'static, 'static>),
}

/// Why an expression has no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpressionError {
    /// A variable has none, and no default.
    #[error("'{0}' is not defined")]
    Undefined(String),
    /// Anything else.
    #[error("'{expression}': {error}")]
    Failed {
        /// The expression's text.
        expression: String,
        /// What went wrong.
        error: String,
    },
}

/// Where expressions are compiled and run: minijinja's own filters and tests, undefined values are errors.
fn environment() -> &'static Environment<'static> {
    static ENVIRONMENT: OnceLock<Environment<'static>> = OnceLock::new();
    ENVIRONMENT.get_or_init(|| {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment
    })
}

/// Words that look like names and are literals or operators.
const RESERVED: [&str; 12] = [
    "true", "True", "false", "False", "none", "None", "not", "and", "or", "in", "is", "if",
];

/// Whether `text` is a variable's name.
pub(super) fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    let first = bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    first && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_') && !RESERVED.contains(&text)
}

impl Expr {
    /// Compiles `text`. The error says what is wrong with it.
    pub(super) fn compile(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if is_name(text) {
            return Ok(Self::Name(text.into()));
        }
        let compiled = environment().compile_expression_owned(text.to_owned());
        let expression = compiled.map_err(|error| error.detail().unwrap_or("not an expression").to_owned())?;
        Ok(Self::Compiled(text.into(), expression))
    }

    fn text(&self) -> &str {
        match self {
            Self::Name(text) | Self::Compiled(text, _) => text,
        }
    }

    /// The value among `variables`, an object whose attributes are the variables.
    pub(super) fn eval(&self, variables: &Value) -> Result<Value, ExpressionError> {
        let value = match self {
            Self::Name(name) => variables.get_attr(name),
            Self::Compiled(_, expression) => expression.eval(variables),
        };
        match value {
            Ok(value) if value.is_undefined() => Err(ExpressionError::Undefined(self.text().to_owned())),
            Ok(value) => Ok(value),
            Err(error) => Err(ExpressionError::Failed {
                expression: self.text().to_owned(),
                error: error.detail().map_or_else(|| error.kind().to_string(), str::to_owned),
            }),
        }
    }

    /// The value as text.
    pub(super) fn eval_text(&self, variables: &Value, out: &mut String) -> Result<(), ExpressionError> {
        let value = self.eval(variables)?;
        match (value.as_str(), value.kind()) {
            (Some(text), _) => out.push_str(text),
            (None, ValueKind::Bool) => out.push_str(if value.is_true() { "true" } else { "false" }),
            (None, _) => out.push_str(&value.to_string()),
        }
        Ok(())
    }
}

/// A text with expressions in it.
#[derive(Debug)]
pub(super) enum Text {
    /// No expression.
    Constant(Box<str>),
    /// Pieces in their order.
    Pieces(Vec<Piece>),
}

/// A piece of a text.
#[derive(Debug)]
pub(super) enum Piece {
    /// As it stands.
    Literal(Box<str>),
    /// Its value.
    Expr(Expr),
}

impl Text {
    /// The text with the values of its expressions among `variables`.
    pub(super) fn eval(&self, variables: &Value) -> Result<String, ExpressionError> {
        let pieces = match self {
            Self::Constant(text) => return Ok(text.to_string()),
            Self::Pieces(pieces) => pieces,
        };
        let mut out = String::new();
        for piece in pieces {
            match piece {
                Piece::Literal(text) => out.push_str(text),
                Piece::Expr(expression) => expression.eval_text(variables, &mut out)?,
            }
        }
        Ok(out)
    }

    /// The text where it has no expression.
    pub(super) fn constant(&self) -> Option<&str> {
        match self {
            Self::Constant(text) => Some(text),
            Self::Pieces(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use minijinja::context;

    #[test]
    fn names_filters_and_conditions() {
        let variables = context! { mac => "00:11:22:aa:bb:cc", lines => 2 };
        let eval = |text: &str| {
            let mut out = String::new();
            Expr::compile(text)
                .unwrap()
                .eval_text(&variables, &mut out)
                .map(|()| out)
        };
        assert_eq!(eval(" mac ").unwrap(), "00:11:22:aa:bb:cc");
        assert_eq!(eval("mac | replace(':', '')").unwrap(), "001122aabbcc");
        assert_eq!(eval("lines + 1").unwrap(), "3");
        assert_eq!(eval("lines > 1").unwrap(), "true");
        assert_eq!(eval("true").unwrap(), "true");
        assert_eq!(eval("nothing is defined").unwrap(), "false");
        assert_eq!(eval("nothing"), Err(ExpressionError::Undefined("nothing".to_owned())));
        assert!(matches!(eval("nothing + 1"), Err(ExpressionError::Failed { .. })));
        assert!(Expr::compile("1 +").is_err());
    }
}
