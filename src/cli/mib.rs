//! `hardline mib`: the names that files and templates speak.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::{Value, json};

use super::{CliError, output};
use crate::mib::{Kind, NameError, Names, Object};
use crate::service::mib_path;
use crate::settings::Settings;
use crate::value::Oid;

/// Arguments of `hardline mib`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    names: NamesArg,
    #[command(subcommand)]
    command: Command,
}

/// Which modules there are beside the built-in ones.
#[derive(clap::Args)]
pub struct NamesArg {
    /// The settings, whose [mib] path is read too; by default hardline.toml where there is one
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// A folder or file of MIB modules; may be given several times
    #[arg(long = "mib-path", value_name = "PATH", global = true)]
    path: Vec<PathBuf>,
}

impl NamesArg {
    /// The settings, where there are any.
    ///
    /// # Errors
    /// [`CliError::Wrong`].
    pub fn settings(&self) -> Result<Option<Settings>, CliError> {
        let default = PathBuf::from("hardline.toml");
        let file = self.config.as_ref().or_else(|| default.is_file().then_some(&default));
        Ok(file.map(|file| Settings::load(file)).transpose()?)
    }

    /// Reads the modules. What is wrong with an operator's goes to standard error.
    ///
    /// # Errors
    /// [`CliError::Wrong`].
    pub fn names(&self) -> Result<Names, CliError> {
        let mut path = self.path.clone();
        path.extend(self.settings()?.into_iter().flat_map(|settings| settings.mib.path));
        let (names, warnings) = mib_path::names(&path).map_err(|error| CliError::Wrong(error.to_string()))?;
        for warning in warnings {
            eprintln!("hardline: {warning}");
        }
        Ok(names)
    }
}

#[derive(Subcommand)]
enum Command {
    /// List objects by a part of their name, by object identifier, or all of one module
    Find {
        /// A part of a name, MODULE::part, a module's name, or an object identifier in numbers
        text: String,
    },
    /// Show one object: module, identifier, syntax, access, index, description
    Show {
        /// A name, MODULE::name where several modules have it, or an object identifier in numbers
        object: String,
    },
    /// Show the objects below one, or all of a module
    Tree {
        /// A name, a module's name, or an object identifier in numbers; the whole tree without it
        object: Option<String>,
    },
}

/// Runs `hardline mib`.
///
/// # Errors
/// [`CliError`].
pub fn run(args: Args, as_json: bool) -> Result<(), CliError> {
    let names = args.names.names()?;
    match args.command {
        Command::Find { text } => find(&names, &text, as_json),
        Command::Show { object } => show(&names, &object, as_json),
        Command::Tree { object } => tree(&names, object.as_deref(), as_json),
    }
}

impl From<NameError> for CliError {
    fn from(error: NameError) -> Self {
        Self::Failed(error.to_string())
    }
}

fn find(names: &Names, text: &str, as_json: bool) -> Result<(), CliError> {
    let found = names.find(text);
    if found.is_empty() {
        return Err(CliError::Failed(format!(
            "no MIB module has a name with '{text}' in it"
        )));
    }
    if as_json {
        return found
            .into_iter()
            .try_for_each(|object| output::print_json(&view(object)));
    }
    let row = |object: &Object| {
        let syntax = object
            .syntax()
            .map_or_else(|| object.kind_word().to_owned(), |syntax| syntax.text());
        let access = object.access().map_or("", |access| access.word()).to_owned();
        [object.qualified(), object.oid.to_string(), access, syntax]
    };
    output::print(&output::aligned(&found.into_iter().map(row).collect::<Vec<_>>()))
}

/// The object of a name or of an object identifier, and the arcs of an instance after it.
fn object<'a>(names: &'a Names, text: &str) -> Result<(&'a Object, Vec<u32>), CliError> {
    if let Ok(oid) = text.trim_start_matches('.').parse::<Oid>() {
        let found = names.lookup(&oid).map(|(object, rest)| (object, rest.to_vec()));
        return found.ok_or_else(|| CliError::Failed(format!("no MIB module has a name for {oid}")));
    }
    // A name may carry an instance, as files and templates write it.
    let (name, instance) = text.split_once('.').unwrap_or((text, ""));
    let arcs = instance.split('.').filter_map(|arc| arc.parse().ok()).collect();
    Ok((names.resolve(name)?, arcs))
}

fn show(names: &Names, text: &str, as_json: bool) -> Result<(), CliError> {
    let (object, instance) = object(names, text)?;
    let mut record = view(object);
    if let Some(row_status) = names.row_status(object) {
        record["row_status"] = json!(row_status.qualified());
    }
    if let Some(kind) = names.address_type_of(object) {
        record["address_type"] = json!(kind.qualified());
    }
    if !instance.is_empty() {
        record["instance"] = json!(object.oid.child(&instance).to_string());
    }
    if as_json {
        return output::print_json(&record);
    }
    let order = [
        "module",
        "name",
        "oid",
        "instance",
        "kind",
        "syntax",
        "values",
        "access",
        "index",
        "row_status",
        "address_type",
        "description",
    ];
    let mut rows = Vec::new();
    for key in order {
        let text = match record.get(key) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
            _ => continue,
        };
        if !text.is_empty() {
            rows.push([key.replace('_', " "), text]);
        }
    }
    output::print(&output::aligned(&rows))
}

/// An object for programs.
fn view(object: &Object) -> Value {
    let mut view = json!({
        "module": object.module,
        "name": object.name,
        "oid": object.oid.to_string(),
        "kind": object.kind_word(),
        "description": object.description,
    });
    if let Some(syntax) = object.syntax() {
        view["syntax"] = json!(syntax.text());
        view["base"] = json!(syntax.base.name());
        view["access"] = json!(object.access().map(|access| access.word()));
        if !syntax.labels.is_empty() {
            let labels = syntax
                .labels
                .iter()
                .map(|(label, number)| (label.to_string(), json!(number)));
            view["labels"] = Value::Object(labels.collect());
        }
        if !syntax.ranges.is_empty() {
            view["ranges"] = json!(syntax.ranges);
        }
    }
    if let Kind::Column { .. } = object.kind {
        view["index"] = json!(object.index_words());
    }
    view
}

fn tree(names: &Names, text: Option<&str>, as_json: bool) -> Result<(), CliError> {
    let objects: Vec<&Object> = match text {
        None => names.objects().iter().collect(),
        Some(text) => {
            let of_module: Vec<&Object> = names
                .objects()
                .iter()
                .filter(|object| *object.module == *text)
                .collect();
            if of_module.is_empty() {
                let (top, _) = object(names, text)?;
                names.below(&top.oid).collect()
            } else {
                of_module
            }
        }
    };
    if as_json {
        return objects
            .into_iter()
            .try_for_each(|object| output::print_json(&view(object)));
    }
    let mut out = String::new();
    // The objects from the top to the present one: each line is indented by how many of them are above it.
    let mut above: Vec<&Object> = Vec::new();
    for object in objects {
        while above
            .last()
            .is_some_and(|last| !object.oid.starts_with(last.oid.arcs()))
        {
            above.pop();
        }
        let shown = above.last().map_or(0, |last| last.oid.arcs().len());
        let arcs: Vec<String> = object.oid.arcs().iter().skip(shown).map(ToString::to_string).collect();
        let indent = "  ".repeat(above.len());
        let syntax = match (object.syntax(), object.access()) {
            (Some(syntax), Some(access)) => format!("  {} {}", access.word(), syntax.text()),
            _ => String::new(),
        };
        let module = if above.last().is_none_or(|last| last.module != object.module) {
            format!("{}::", object.module)
        } else {
            String::new()
        };
        out.push_str(&format!(
            "{indent}{module}{}({}){syntax}\n",
            object.name,
            arcs.join(".")
        ));
        above.push(object);
    }
    output::print(&out)
}
