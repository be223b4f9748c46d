//! Conditional requests (RFC 9110 §13), and the range that is asked for of the file that they leave.

use std::ops::Range;

use hyper::header::{self, HeaderName};
use hyper::{HeaderMap, StatusCode};

use super::range::{Wanted, wanted};
use crate::service::files::Answer;

/// What a request gets of a file that it may have.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reply {
    /// The status.
    pub(super) status: StatusCode,
    /// The octets of the file.
    pub(super) part: Range<u64>,
    /// What the answer is where it is not the whole file.
    pub(super) instead: Option<Answer>,
}

/// What a request with these fields gets of a file of `size` octets whose entity tag is `tag`; `head` where no octet of
/// it is sent. A date is never sent, so that conditions on one say nothing (§13.1.3, §13.1.4).
pub(super) fn reply(fields: &HeaderMap, head: bool, tag: &str, size: u64) -> Reply {
    let none = |status, instead| Reply {
        status,
        part: 0..0,
        instead: Some(instead),
    };
    // In the order of §13.2.2.
    if listed(fields, header::IF_MATCH, |known| known == tag) == Some(false) {
        return none(StatusCode::PRECONDITION_FAILED, Answer::Another);
    }
    let weakly = |known: &str| known.strip_prefix("W/").unwrap_or(known) == tag;
    if listed(fields, header::IF_NONE_MATCH, weakly) == Some(true) {
        return none(StatusCode::NOT_MODIFIED, Answer::Unchanged);
    }
    // §13.1.5: a range of another version than the client has would make a patchwork.
    let fresh = !fields.contains_key(header::IF_RANGE) || only(fields, header::IF_RANGE) == Some(tag);
    let range = only(fields, header::RANGE).filter(|_| fresh && !head);
    match wanted(range, size) {
        Wanted::Whole => Reply {
            status: StatusCode::OK,
            part: 0..size,
            instead: head.then_some(Answer::Size),
        },
        Wanted::Part(part) => Reply {
            status: StatusCode::PARTIAL_CONTENT,
            instead: (part != (0..size)).then_some(Answer::Part),
            part,
        },
        Wanted::Unsatisfiable => none(StatusCode::RANGE_NOT_SATISFIABLE, Answer::OutOfRange),
    }
}

/// Whether the fields called `name`, which are one list (§5.3), have an entity tag that `is_it`, or `*`; `None` where there
/// is no such field.
fn listed(fields: &HeaderMap, name: HeaderName, is_it: impl Fn(&str) -> bool) -> Option<bool> {
    let is_it = |known: &str| known == "*" || is_it(known);
    fields.contains_key(&name).then(|| {
        let mut lists = fields.get_all(name).iter();
        lists.any(|list| {
            let list = String::from_utf8_lossy(list.as_bytes());
            list.split(',').map(str::trim).any(is_it)
        })
    })
}

/// The value of the only field called `name`.
fn only(fields: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = fields.get_all(name).iter();
    let value = values.next().filter(|_| values.next().is_none())?;
    value.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAG: &str = "\"abc\"";

    /// The status of what a request for a file of ten octets gets, where the answer is and what it is.
    fn judged(fields: &[(HeaderName, &str)]) -> (u16, Range<u64>, Option<Answer>) {
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            map.append(name, value.parse().unwrap());
        }
        let reply = reply(&map, false, TAG, 10);
        (reply.status.as_u16(), reply.part, reply.instead)
    }

    #[test]
    fn rfc_9110_13_1_preconditions_by_entity_tag() {
        use header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE};
        let whole = (200, 0..10, None);
        let unchanged = (304, 0..0, Some(Answer::Unchanged));
        let another = (412, 0..0, Some(Answer::Another));
        for (fields, expected) in [
            (&[(IF_MATCH, TAG)][..], &whole),
            (&[(IF_MATCH, "*")], &whole),
            (&[(IF_MATCH, "\"x\", \"abc\"")], &whole),
            (&[(IF_MATCH, "\"x\""), (IF_MATCH, TAG)], &whole),
            (&[(IF_MATCH, "\"x\"")], &another),
            (&[(IF_MATCH, "W/\"abc\"")], &another),
            (&[(IF_MATCH, "")], &another),
            (&[(IF_MATCH, "\"\u{e9}\"")], &another),
            (&[(IF_MATCH, "\"x\""), (IF_NONE_MATCH, TAG)], &another),
            (&[(IF_MATCH, TAG), (IF_NONE_MATCH, TAG)], &unchanged),
            (&[(IF_NONE_MATCH, TAG)], &unchanged),
            (&[(IF_NONE_MATCH, "*")], &unchanged),
            (&[(IF_NONE_MATCH, "\"x\", W/\"abc\"")], &unchanged),
            (&[(IF_NONE_MATCH, "\"x\""), (IF_NONE_MATCH, TAG)], &unchanged),
            (&[(IF_NONE_MATCH, "\"x\"")], &whole),
            (&[(IF_NONE_MATCH, "abc")], &whole),
            (&[(IF_UNMODIFIED_SINCE, "Sat, 01 Jan 2000 00:00:00 GMT")], &whole),
            (&[(IF_MODIFIED_SINCE, "Sat, 01 Jan 2050 00:00:00 GMT")], &whole),
        ] {
            assert_eq!(judged(fields), *expected, "{fields:?}");
        }
    }

    #[test]
    fn rfc_9110_14_2_a_range_that_is_all_of_the_file_is_the_whole_file() {
        use header::{IF_RANGE, RANGE};
        let whole = (200, 0..10, None);
        let first = (206, 0..1, Some(Answer::Part));
        for (fields, expected) in [
            (&[(RANGE, "bytes=0-0")][..], &first),
            (&[(RANGE, "bytes=0-")], &(206, 0..10, None)),
            (&[(RANGE, "bytes=10-")], &(416, 0..0, Some(Answer::OutOfRange))),
            (&[(RANGE, "bytes=0-0"), (IF_RANGE, TAG)], &first),
            (&[(RANGE, "bytes=0-0"), (IF_RANGE, "\"x\"")], &whole),
            (&[(RANGE, "bytes=0-0"), (IF_RANGE, "\"\u{e9}\"")], &whole),
            (&[(RANGE, "bytes=0-0"), (RANGE, "bytes=1-1")], &whole),
        ] {
            assert_eq!(judged(fields), *expected, "{fields:?}");
        }
    }
}
