//! Statements that are the same for every device become octets when the template is compiled.

use super::build::Writer;
use super::emit::Run;
use super::error::{Place, TemplateError, TemplateReason};
use super::expression::Text;
use super::scope::Scope;
use super::statement::{Action, Instance, InstancePart, ReceiverLine, Statement, TypedLine};
use crate::wire::tlv::FileKind;

/// The statements, with those that ask for no variable as octets, and octets that follow each other as one row.
///
/// `nested` says that they stand within a group.
pub(super) fn fold(statements: Vec<Statement>, kind: FileKind, nested: bool) -> Result<Vec<Statement>, TemplateError> {
    let mut folded: Vec<Statement> = Vec::with_capacity(statements.len());
    for Statement { place, action } in statements {
        let action = match octets(&action, &place, kind, nested)? {
            None => action,
            Some(run) => match folded.last_mut() {
                Some(Statement {
                    action: Action::Run(last),
                    ..
                }) => {
                    last.append(run);
                    continue;
                }
                _ => Action::Run(Box::new(run)),
            },
        };
        folded.push(Statement { place, action });
    }
    for statement in &mut folded {
        if let Action::Run(run) = &mut statement.action {
            run.shrink();
        }
    }
    folded.shrink_to_fit();
    Ok(folded)
}

/// The octets of a statement; `None` where they depend on the device.
fn octets(action: &Action, place: &Place, kind: FileKind, nested: bool) -> Result<Option<Run>, TemplateError> {
    let wrong = |(place, attribute, reason)| TemplateError {
        place,
        reason: TemplateReason::Constant { attribute, reason },
    };
    if let Action::Group(number, body) = action {
        let [] = body.as_slice() else {
            let [
                Statement {
                    action: Action::Run(run),
                    ..
                },
            ] = body.as_slice()
            else {
                return Ok(None);
            };
            let group = run
                .within(*number, kind)
                .map_err(|reason| wrong((place.clone(), format!("TLV {number}"), reason)))?;
            return Ok(Some(group));
        };
        return Ok(Some(Run::default().within(*number, kind).unwrap_or_default()));
    }
    if !is_constant(action) {
        return Ok(None);
    }
    let mut writer = Writer::new(Scope::empty(), kind, 0);
    writer.out.depth = usize::from(nested);
    writer.leaf(action, place).map_err(wrong)?;
    Ok(Some(writer.out.run))
}

fn is_constant(action: &Action) -> bool {
    match action {
        Action::VarBind(line) => is_fixed(&line.instance) && line.value.constant().is_some(),
        Action::Receiver(lines) => lines
            .iter()
            .all(|ReceiverLine { value, .. }| value.constant().is_some()),
        Action::Vendor(oui, lines) => oui.constant().is_some() && lines.iter().all(is_constant_line),
        Action::Tlv(line) => is_constant_line(line),
        _ => false,
    }
}

fn is_constant_line(line: &TypedLine) -> bool {
    line.value.constant().is_some()
}

fn is_fixed(instance: &Instance) -> bool {
    match instance {
        Instance::Fixed(_) => true,
        Instance::Numbers(_, _, parts) | Instance::Parts(_, parts) => parts.iter().all(|part| match part {
            InstancePart::Number(_) => true,
            InstancePart::Text(text) => Text::constant(text).is_some(),
            InstancePart::Expr(_) => false,
        }),
    }
}
