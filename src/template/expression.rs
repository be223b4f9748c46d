//! What stands in `{{ }}`, compiled when a template is loaded.
//!
//! The language is minijinja's. What templates mostly say (names, texts, sums, comparisons, a few filters) is also
//! compiled into a [`Quick`] tree that runs without minijinja's machine. The tree gives an answer only where it is
//! sure to give minijinja's; everything else, errors among it, is left to minijinja.

use std::sync::{Arc, OnceLock};

use minijinja::{Environment, Expression, Value};

use super::bounds::{self, MOST_OF_A_VALUE};
use super::intern::Interner;
use super::product::without_products;
use super::quick::Quick;
use super::scope::{Scope, Val};

/// A compiled expression.
#[derive(Debug)]
pub(super) struct Expr {
    source: Box<str>,
    quick: Option<Quick>,
    /// `None` for a name alone: what can be said of it is sure.
    whole: Option<Box<Expression<'static, 'static>>>,
}

/// Why an expression has no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpressionError {
    /// A variable has none, and no default.
    #[error("'{0}' is not defined")]
    Undefined(String),
    /// A text grows beyond every value that a file has a place for; it is cut to 60 characters here.
    #[error("the text '{0}…' is longer than {MOST_OF_A_VALUE} octets")]
    TooLong(String),
    /// Anything else.
    #[error("'{expression}': {error}")]
    Failed {
        /// The expression's text.
        expression: String,
        /// What went wrong.
        error: String,
    },
}

/// Where expressions are compiled and run.
fn environment() -> &'static Environment<'static> {
    static ENVIRONMENT: OnceLock<Environment<'static>> = OnceLock::new();
    ENVIRONMENT.get_or_init(bounds::environment)
}

/// Words that look like names and are literals or operators.
pub(super) const RESERVED: [&str; 13] = [
    "true", "True", "false", "False", "none", "None", "not", "and", "or", "in", "is", "if", "else",
];

/// Whether `text` is a variable's name.
pub(super) fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    let first = bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    first && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_') && !RESERVED.contains(&text)
}

impl Expr {
    /// Compiles `text`. The error says what is wrong with it.
    pub(super) fn compile(text: &str, interner: &Interner) -> Result<Self, String> {
        let text = text.trim();
        let quick = Quick::parse(text, interner);
        let whole = match quick {
            Some(Quick::Name(_)) => None,
            _ => {
                let compiled = environment().compile_expression_owned(without_products(text).into_owned());
                Some(Box::new(compiled.map_err(|error| {
                    error.detail().unwrap_or("not an expression").to_owned()
                })?))
            }
        };
        let source = text.into();
        Ok(Self { source, quick, whole })
    }

    /// Whether it asks for no variable, so that its value is the same for every device.
    pub(super) fn is_constant(&self) -> bool {
        self.whole
            .as_ref()
            .is_some_and(|whole| whole.undeclared_variables(false).is_empty())
    }

    /// The value in `scope`.
    pub(super) fn eval<'a>(&'a self, scope: &mut Scope<'a>) -> Result<Val<'a>, ExpressionError> {
        if let Some(value) = self.quick.as_ref().and_then(|quick| quick.eval(scope)) {
            return Ok(value);
        }
        let undefined = || ExpressionError::Undefined(self.source.to_string());
        let Some(whole) = &self.whole else {
            return Err(undefined());
        };
        let object = scope.as_object();
        match bounds::within(&mut scope.left, || whole.eval(object)) {
            Ok(value) if value.is_undefined() => Err(undefined()),
            Ok(value) => Ok(value.into()),
            Err(error) => Err(ExpressionError::Failed {
                expression: self.source.to_string(),
                error: error.detail().map_or_else(|| error.kind().to_string(), str::to_owned),
            }),
        }
    }

    /// Appends the value as text.
    pub(super) fn eval_text<'a>(&'a self, scope: &mut Scope<'a>, out: &mut String) -> Result<(), ExpressionError> {
        // Most of what stands in texts is a name alone, whose value need not be taken out of the scope.
        if !self.quick.as_ref().is_some_and(|quick| quick.write_name(scope, out)) {
            self.eval(scope)?.write(out);
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
    Expr(Arc<Expr>),
}

impl Text {
    /// Replaces `out` by the text with the values of its expressions in `scope`.
    pub(super) fn eval<'a>(&'a self, scope: &mut Scope<'a>, out: &mut String) -> Result<(), ExpressionError> {
        out.clear();
        let pieces = match self {
            Self::Constant(text) => {
                out.push_str(text);
                return Ok(());
            }
            Self::Pieces(pieces) => pieces,
        };
        for piece in pieces {
            match piece {
                Piece::Literal(text) => out.push_str(text),
                Piece::Expr(expression) => expression.eval_text(scope, out)?,
            }
            if out.len() > MOST_OF_A_VALUE {
                return Err(ExpressionError::TooLong(out.chars().take(60).collect()));
            }
        }
        Ok(())
    }

    /// The text where it has no expression.
    pub(super) fn constant(&self) -> Option<&str> {
        match self {
            Self::Constant(text) => Some(text),
            Self::Pieces(_) => None,
        }
    }
}

/// The value of minijinja for a value of ours.
impl From<&Val<'_>> for Value {
    fn from(value: &Val<'_>) -> Self {
        match value {
            Val::Undefined => Self::UNDEFINED,
            Val::Bool(value) => (*value).into(),
            Val::Int(value) => (*value).into(),
            Val::Range(low, high) => (*low..*high).collect(),
            Val::Text(text) => (*text).into(),
            Val::Owned(text) => Self::from(text),
            Val::Fields(fields) => {
                Self::from_pairs(fields.iter().map(|(name, value)| (name.as_str(), Self::from(&value))))
            }
            Val::Other(value) => value.clone(),
        }
    }
}

impl From<Value> for Val<'_> {
    fn from(value: Value) -> Self {
        use minijinja::value::ValueKind;
        match value.kind() {
            ValueKind::Undefined => Self::Undefined,
            ValueKind::Bool => Self::Bool(value.is_true()),
            ValueKind::Number if value.is_integer() => match i64::try_from(value.clone()) {
                Ok(number) => Self::Int(number),
                Err(_) => Self::Other(value),
            },
            ValueKind::String if !value.is_safe() => match value.as_str() {
                Some(text) => Self::Owned(Arc::from(text)),
                None => Self::Other(value),
            },
            _ => Self::Other(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn variables() -> BTreeMap<String, String> {
        [
            ("mac", "00:11:22:aa:bb:cc"),
            ("lines", "2"),
            ("empty", ""),
            ("word", "Größe x"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    fn eval(text: &str) -> Result<String, ExpressionError> {
        let interner = Interner::default();
        let expression = Expr::compile(text, &interner).unwrap();
        let variables = variables();
        let mut out = String::new();
        expression.eval_text(&mut Scope::of_variables(&variables), &mut out)?;
        Ok(out)
    }

    #[test]
    fn names_filters_and_conditions() {
        assert_eq!(eval(" mac ").unwrap(), "00:11:22:aa:bb:cc");
        assert_eq!(eval("mac | replace(':', '')").unwrap(), "001122aabbcc");
        assert_eq!(eval("(lines | int) + 1").unwrap(), "3");
        assert_eq!(eval("lines == '2' and not empty").unwrap(), "true");
        assert_eq!(eval("true").unwrap(), "true");
        assert_eq!(eval("nothing is defined").unwrap(), "false");
        assert_eq!(eval("nothing | default('x') ~ 1").unwrap(), "x1");
        assert_eq!(eval("1 if nothing is defined else lines").unwrap(), "2");
        assert_eq!(eval("1 if false else 2 if false else 3").unwrap(), "3");
        assert_eq!(eval("7 // 2 + 7 % 4").unwrap(), "6");
        assert_eq!(eval("nothing"), Err(ExpressionError::Undefined("nothing".to_owned())));
        assert!(matches!(eval("nothing + 1"), Err(ExpressionError::Failed { .. })));
        assert!(Expr::compile("1 +", &Interner::default()).is_err());
    }

    fn any_expression() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            (-20i64..20).prop_map(|number| if number < 0 {
                format!("({number})")
            } else {
                number.to_string()
            }),
            prop::sample::select(vec![
                "mac", "lines", "empty", "word", "nothing", "true", "false", "'x'", "\"2\"", "''"
            ])
            .prop_map(str::to_owned),
        ];
        leaf.prop_recursive(4, 24, 2, |inner| {
            let operator = prop::sample::select(vec![
                "+", "-", "*", "~", "==", "!=", "<", "<=", ">", ">=", "and", "or", "//", "%", "in",
            ]);
            prop_oneof![
                (inner.clone(), operator, inner.clone()).prop_map(|(a, op, b)| format!("{a} {op} {b}")),
                inner.clone().prop_map(|a| format!("({a})")),
                (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("{a} if {b} else {c}")),
                (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} if {b})")),
                inner.clone().prop_map(|a| format!("not {a}")),
                (
                    inner.clone(),
                    prop::sample::select(vec!["int", "upper", "lower", "string", "length", "trim"])
                )
                    .prop_map(|(a, filter)| format!("{a} | {filter}")),
                (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a} | default({b})")),
                inner.clone().prop_map(|a| format!("({a}) | replace('1', 'y')")),
                (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("range({a}, {b})")),
                inner.clone().prop_map(|a| format!("{a} is defined")),
                inner.prop_map(|a| format!("{a} is not defined")),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_quick_tree_says_what_minijinja_says(text in any_expression()) {
            let Ok(expression) = Expr::compile(&text, &Interner::default()) else { return Ok(()) };
            let variables = variables();
            let mut scope = Scope::of_variables(&variables);
            let object = scope.as_object();
            let quick = expression.quick.as_ref().and_then(|quick| quick.eval(&mut scope));
            if let (Some(quick), Some(whole)) = (quick, &expression.whole) {
                let whole = whole.eval(object);
                prop_assert!(whole.is_ok(), "{text}: {quick:?} {whole:?}");
                let whole = whole.unwrap();
                let mut shown = (String::new(), String::new());
                Val::from(whole.clone()).write(&mut shown.0);
                quick.write(&mut shown.1);
                prop_assert_eq!(&shown.0, &shown.1, "{}", text);
                prop_assert_eq!(whole.is_true(), quick.is_true(), "{}", text);
            }
        }
    }
}
