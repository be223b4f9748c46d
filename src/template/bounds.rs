//! How much the expressions of one file may make: a value that grows without end is refused while it grows.
//!
//! minijinja bounds what a template says, not what its filters make of it: `range(100000) | join(text)` would take
//! gigabytes before anybody sees its value. Every filter that makes texts or lists is therefore held, before and after,
//! against the size that its arguments and its value have when they are written out, and all of them together against
//! what is left for the file.

use std::cell::Cell;
use std::sync::OnceLock;

use minijinja::value::{Rest, ValueKind, ValueOrKwargs};
use minijinja::{
    Environment, Error, ErrorKind, Expression, State, UndefinedBehavior, Value, context, filters, functions, tests,
};

use super::product::TIMES;

/// The octets of one value, at most: the longest value that a file has a place for is 65,535, in hexadecimal digits.
pub(super) const MOST_OF_A_VALUE: usize = 1 << 20;
/// The octets that the expressions of one file make together, at most.
pub(super) const MOST_OF_A_FILE: usize = 64 << 20;
/// What an item of a list counts beside its text, in octets.
const ITEM: usize = 16;
/// Lists within lists, at most.
const DEEPEST: usize = 32;

thread_local! {
    /// What is left for the file whose expression is evaluated on this thread, in octets.
    static LEFT: Cell<usize> = const { Cell::new(MOST_OF_A_FILE) };
}

/// Runs `eval` with what is `left` for the file, and takes from it what it makes.
pub(super) fn within(left: &mut usize, eval: impl FnOnce() -> Result<Value, Error>) -> Result<Value, Error> {
    LEFT.set(*left);
    let value = eval().and_then(|value| {
        spend(size(&value)?)?;
        Ok(value)
    });
    *left = LEFT.get();
    value
}

/// Where expressions are compiled and run: minijinja's own filters and tests within bounds, undefined values are errors.
pub(super) fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let growing = [
        ("batch", Value::from_function(filters::batch)),
        ("capitalize", Value::from_function(filters::capitalize)),
        ("chain", Value::from_function(filters::chain)),
        ("d", Value::from_function(filters::default)),
        ("default", Value::from_function(filters::default)),
        ("dictsort", Value::from_function(filters::dictsort)),
        ("e", Value::from_function(filters::escape)),
        ("escape", Value::from_function(filters::escape)),
        ("format", Value::from_function(filters::format)),
        ("groupby", Value::from_function(filters::groupby)),
        ("indent", Value::from_function(filters::indent)),
        ("items", Value::from_function(filters::items)),
        ("join", Value::from_function(filters::join)),
        ("lines", Value::from_function(filters::lines)),
        ("list", Value::from_function(filters::list)),
        ("lower", Value::from_function(filters::lower)),
        ("map", Value::from_function(filters::map)),
        ("max", Value::from_function(filters::max)),
        ("min", Value::from_function(filters::min)),
        ("pprint", Value::from_function(filters::pprint)),
        ("reject", Value::from_function(filters::reject)),
        ("rejectattr", Value::from_function(filters::rejectattr)),
        ("replace", Value::from_function(filters::replace)),
        ("reverse", Value::from_function(filters::reverse)),
        ("safe", Value::from_function(filters::safe)),
        ("select", Value::from_function(filters::select)),
        ("selectattr", Value::from_function(filters::selectattr)),
        ("slice", Value::from_function(filters::slice)),
        ("sort", Value::from_function(filters::sort)),
        ("split", Value::from_function(filters::split)),
        ("string", Value::from_function(filters::string)),
        ("sum", Value::from_function(filters::sum)),
        ("title", Value::from_function(filters::title)),
        ("trim", Value::from_function(filters::trim)),
        ("unique", Value::from_function(filters::unique)),
        ("upper", Value::from_function(filters::upper)),
        ("zip", Value::from_function(filters::zip)),
    ];
    for (name, filter) in growing {
        environment.add_filter(name, move |state: &mut State<'_, '_>, args: Rest<ValueOrKwargs>| {
            bounded(name, &filter, state, &args.into_values())
        });
    }
    environment.add_filter(TIMES, times);
    environment.add_test("in", |state: &State<'_, '_>, value: Value, list: Value| {
        spend(size(&list)?)?;
        tests::is_in(state, &value, &list)
    });
    environment.add_function("range", range);
    environment
}

/// A filter's value, where its arguments, what it makes of them and its value are within bounds.
fn bounded(name: &str, filter: &Value, state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
    for arg in args {
        spend(size(arg)?)?;
    }
    spend(ahead(name, args))?;
    let value = filter.call(state, args)?;
    spend(size(&value)?)?;
    Ok(value)
}

/// What a filter makes of its arguments at once, in octets, where that can be more than they are.
fn ahead(name: &str, args: &[Value]) -> usize {
    let text = |at: usize| args.get(at).and_then(Value::as_str).unwrap_or_default();
    let items = || args.first().and_then(Value::len).unwrap_or(0);
    match name {
        "join" => {
            let joiners = given(args).filter_map(|arg| arg.as_str().map(str::len));
            joiners.max().unwrap_or(0).saturating_mul(items())
        }
        "replace" => {
            let found = text(0).matches(text(1)).count();
            found.saturating_mul(text(2).len())
        }
        "indent" => greatest(args).saturating_mul(text(0).split('\n').count()),
        "batch" | "slice" => greatest(args).saturating_mul(ITEM),
        "format" => widest(text(0)),
        // A sum of texts or lists makes each sum on the way.
        "sum" => {
            let octets = args.first().map_or(0, |list| size(list).unwrap_or(usize::MAX));
            let texts = octets.saturating_sub(ITEM.saturating_mul(items().saturating_add(1)));
            items().saturating_mul(texts)
        }
        _ => 0,
    }
}

/// The arguments after the first, those by name too.
fn given(args: &[Value]) -> impl Iterator<Item = Value> {
    let named = args.last().filter(|last| last.kind() == ValueKind::Map);
    let named = named.into_iter().flat_map(|named| {
        let keys = named.try_iter().into_iter().flatten();
        keys.filter_map(|key| named.get_item(&key).ok())
    });
    args.iter().skip(1).cloned().chain(named)
}

/// The greatest number among the arguments after the first.
fn greatest(args: &[Value]) -> usize {
    let numbers = given(args).filter_map(|arg| usize::try_from(arg).ok());
    numbers.max().unwrap_or(0)
}

/// The widest field that a format asks for, in octets.
fn widest(format: &str) -> usize {
    let numbers = format.split(|c: char| !c.is_ascii_digit());
    let numbers = numbers.filter(|number| !number.is_empty());
    // One that is no number of this machine is too large for it.
    let numbers = numbers.map(|number| number.parse().unwrap_or(usize::MAX));
    numbers.fold(0, usize::saturating_add)
}

/// The octets of a value when it is written out, with something for each item of a list.
fn size(value: &Value) -> Result<usize, Error> {
    let mut left = MOST_OF_A_VALUE;
    count(value, &mut left, 0)?;
    Ok(MOST_OF_A_VALUE - left)
}

fn count(value: &Value, left: &mut usize, depth: usize) -> Result<(), Error> {
    let octets = value
        .as_str()
        .map(str::len)
        .or_else(|| value.as_bytes().map(<[u8]>::len));
    let rest = left.checked_sub(octets.unwrap_or(0).saturating_add(ITEM));
    *left = rest.ok_or_else(|| error(format!("a value is larger than {MOST_OF_A_VALUE} octets")))?;
    if !matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable | ValueKind::Map) {
        return Ok(());
    }
    if depth == DEEPEST {
        return Err(error(format!("more than {DEEPEST} lists within one another")));
    }
    for item in value.try_iter()? {
        count(&item, left, depth + 1)?;
        if value.kind() == ValueKind::Map {
            count(&value.get_item(&item)?, left, depth + 1)?;
        }
    }
    Ok(())
}

/// Takes octets from what is left for the file.
fn spend(octets: usize) -> Result<(), Error> {
    let left = LEFT.get().checked_sub(octets);
    LEFT.set(left.unwrap_or(0));
    match left {
        Some(_) => Ok(()),
        None => Err(error(format!(
            "the values of one file are larger than {MOST_OF_A_FILE} octets together"
        ))),
    }
}

/// `left * right`: minijinja would repeat a text or a list up to a hundred million times.
fn times(left: Value, right: Value) -> Result<Value, Error> {
    static PRODUCT: OnceLock<Option<Expression<'static, 'static>>> = OnceLock::new();
    for (repeated, turns) in [(&left, &right), (&right, &left)] {
        if let Ok(turns) = usize::try_from(turns.clone())
            && matches!(
                repeated.kind(),
                ValueKind::String | ValueKind::Seq | ValueKind::Iterable
            )
        {
            spend(size(repeated)?.saturating_mul(turns))?;
        }
    }
    let product = PRODUCT.get_or_init(|| {
        static PLAIN: OnceLock<Environment<'static>> = OnceLock::new();
        let plain = PLAIN.get_or_init(Environment::new);
        plain.compile_expression("left * right").ok()
    });
    match product {
        Some(product) => product.eval(context!(left, right)),
        None => Err(error("numbers cannot be multiplied".to_owned())),
    }
}

/// minijinja's own, which adds its numbers without a look at their size.
fn range(lower: isize, upper: Option<isize>, step: Option<isize>) -> Result<Value, Error> {
    const FARTHEST: usize = isize::MAX.unsigned_abs() / 4;
    let numbers = [Some(lower), upper, step];
    if numbers
        .into_iter()
        .flatten()
        .any(|number| number.unsigned_abs() > FARTHEST)
    {
        return Err(error("range has too many elements".to_owned()));
    }
    functions::range(lower, upper, step)
}

fn error(message: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, message)
}

#[cfg(test)]
mod test {
    use std::collections::BTreeMap;
    use std::time::{Duration, Instant};

    use super::super::tests::{device, library, site};
    use super::super::{Context, Inputs};
    use crate::mib::MibDialect;
    use crate::model::{Family, Flow};

    fn refused(text: &str) -> String {
        let device = device(
            Flow::Hybrid,
            MibDialect::Ietf,
            &[("turns", "99999999"), ("word", "abcdefgh")],
        );
        let site = site();
        let inputs = Inputs {
            captures: BTreeMap::from([("many".to_owned(), super::super::Scalar::Int(99_999_999))]),
            ..Inputs::default()
        };
        let context = Context {
            device: Some(&device),
            family: Family::V4,
            site: &site,
            inputs: &inputs,
        };
        let begun = Instant::now();
        let built = library(text).unwrap().build_octets("t", &context);
        // Seconds of what takes milliseconds: a build without bounds takes minutes, or all memory.
        assert!(begun.elapsed() < Duration::from_secs(30), "{text}");
        built.unwrap_err().to_string()
    }

    #[test]
    fn what_multiplies_is_refused_with_its_place() {
        let value = "a value is larger than 1048576 octets";
        let file = "the values of one file are larger than 67108864 octets together";
        for (expression, error) in [
            ("range(100000) | join(word * 1000)", file),
            ("range(60000) | join(word * 1000)", file),
            ("range(60000) | join(d=word * 1000)", file),
            ("range(100000) | list", value),
            ("word * many", file),
            ("many * word", file),
            ("word ~ word * (turns | int)", file),
            ("([1] * many) | list", file),
            ("((1,) * many) | length", file),
            ("([1] * 70000) | list", value),
            ("word | replace('', word * 100000)", file),
            ("(word * 1000) | replace('a', word * 10000)", file),
            ("range(60000) | map('replace', '1', word * 100) | list", value),
            (
                "range(30000) | map('string') | map('default', word * 10000) | list",
                file,
            ),
            ("word | indent(many, true)", file),
            ("word | indent(width=many, first=true)", file),
            ("[1] | slice(many) | list", file),
            ("[1] | batch(many, 0) | list", file),
            ("'%99999999d' | format(5)", file),
            ("range(20000) | map('string') | sum(start='')", file),
            ("range(30000) | select('in', range(30000)) | list", file),
            (
                "range(-9223372036854775807, 9223372036854775807)",
                "range has too many elements",
            ),
        ] {
            let found = refused(&format!(
                "file device\nmib pktcEUEDevOpDomain.1 string {{{{ {expression} }}}}"
            ));
            assert!(
                found.starts_with("t:2:1: pktcEUEDevOpDomain.1: "),
                "{expression}: {found}"
            );
            assert!(
                [error, value, file].iter().any(|error| found.contains(error)),
                "{expression}: {found}"
            );
            assert!(found.len() < 400, "{expression}: {found}");
        }
    }

    #[test]
    fn what_grows_from_statement_to_statement_is_refused() {
        for (text, error) in [
            (
                "set a = word\nfor i in range(60)\nset a = a ~ a\nend",
                "t:3:1: a: 'a ~ a': a value is larger than 1048576 octets",
            ),
            (
                "set a = [1]\nfor i in range(60)\nset a = [a, a]\nend",
                "t:3:1: a: '[a, a]': a value is larger than 1048576 octets",
            ),
            (
                "set a = [1]\nfor i in range(60)\nset a = [a]\nend",
                "t:3:1: a: '[a]': more than 32 lists within one another",
            ),
            (
                "set a = word * 100000\nfor i in range(9000)\nset b = a | upper\nend",
                "t:3:1: b: 'a | upper': the values of one file are larger than 67108864 octets together",
            ),
            (
                "for i in range(9000)\nset b = (word * 10000) | trim\nend",
                "t:2:1: b: '(word * 10000) | trim': the values of one file are larger than 67108864 octets together",
            ),
            (
                "for i in range(10000)\nfor i in range(10000)\nend\nend",
                "t:2:1: for: more than 100000 statements and turns of loops were run",
            ),
            (
                "for i in range(100000)\nend\nfor i in [1, 2]\nend",
                "a value is larger than 1048576 octets",
            ),
            (
                "set a = word * 100000\nmib pktcEUEDevOpDomain.1 = {{ a }}{{ a }}",
                "t:2:1: pktcEUEDevOpDomain.1: the text 'abcdefgh",
            ),
        ] {
            let found = refused(text);
            assert!(found.contains(error), "{text}: {found}");
        }
    }

    #[test]
    fn what_files_are_made_of_is_within_bounds() {
        let device = device(Flow::Hybrid, MibDialect::Ietf, &[]);
        let site = site();
        let context = Context::new(&device, Family::V4, &site);
        // Undefined values are the filters' own matter, as ever.
        let defaults =
            "mib pktcEUEDevOpDomain.1 = {{ [nothing | d('x'), (nothing | default('y', true))] | join(d='.') }}\n";
        let built = library(defaults).unwrap().build_octets("t", &context).unwrap();
        assert!(built.windows(3).any(|part| part == b"x.y"));
        // The longest value of a file, and a loop as long as a file has place for.
        let text = "mib pktcEUEDevOpDomain.1 = {{ 'x' * 200 }}\n\
                    for i in range(5000)\ntlv 200 hex {{ ('00' * 200) | replace('0', '1') }}\nend\n";
        let built = library(text).unwrap().build_octets("t", &context).unwrap();
        assert!(built.len() > 5000 * 202);
    }
}
