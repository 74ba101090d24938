//! Checking a value against the rules of its model.

use std::cell::RefCell;
use std::fmt::Display;

use super::Model;
use crate::extract::{At, Invalid, Problem};
use crate::json::push_string;

/// Where a value is that is being checked, and what was found so far.
///
/// A value that keeps its rules costs no allocation.
pub struct Check<'a> {
    at: At<'a>,
    found: &'a RefCell<Vec<Problem>>,
}

impl<'a> Check<'a> {
    /// The check of a field of this value.
    #[must_use]
    pub fn field<'b>(&'b self, name: &'b str) -> Check<'b> {
        Check {
            at: self.at.name(name),
            found: self.found,
        }
    }

    /// The check of an element of this list.
    #[must_use]
    pub fn item<'b>(&'b self, index: usize) -> Check<'b> {
        Check {
            at: self.at.index(index),
            found: self.found,
        }
    }

    /// Notes that the value breaks a rule.
    ///
    /// `kind` is for programs, `msg` for people; `context` is the rule's
    /// parameters, names and JSON.
    pub fn problem(&self, kind: &'static str, msg: String, context: &[(&str, String)]) {
        let mut found = self.found.borrow_mut();
        if found.len() >= MAX_FOUND {
            return;
        }
        let mut ctx = String::from("{");
        for (index, (name, json)) in context.iter().enumerate() {
            if index > 0 {
                ctx.push(',');
            }
            push_string(&mut ctx, name);
            ctx.push(':');
            ctx.push_str(json);
        }
        ctx.push('}');
        found.push(Problem {
            kind: kind.into(),
            loc: self.at.loc(),
            msg,
            input: "null".to_owned(),
            ctx: (!context.is_empty()).then_some(ctx),
        });
    }

    /// Notes what a check of one's own found.
    pub fn result<E: Display>(&self, result: Result<(), E>) {
        if let Err(error) = result {
            let error = error.to_string();
            // As FastAPI writes an exception.
            let context = [("error", "{}".to_owned())];
            let msg = format!("Value error, {error}");
            self.problem("value_error", msg, &context);
        }
    }
}

impl std::fmt::Debug for Check<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Check").finish_non_exhaustive()
    }
}

/// No more than this many are listed.
const MAX_FOUND: usize = 32;

/// What `value`, which stands at `root`, breaks of its model's rules. The
/// problems' inputs are not known here.
pub(crate) fn check<T: Model>(value: &T, root: &str) -> Vec<Problem> {
    let found = RefCell::new(Vec::new());
    value.validate(&Check {
        at: At::root(root),
        found: &found,
    });
    found.into_inner()
}

/// Why an answer must not be sent: the first rule that it breaks.
pub(crate) fn breach<T: Model>(value: &T) -> Option<String> {
    let problem = check(value, "response").into_iter().next()?;
    let place: Vec<_> = problem.loc.iter().map(ToString::to_string).collect();
    Some(format!(
        "the answer breaks its own model at `{}`: {}",
        place.join("."),
        problem.msg
    ))
}

/// Fills in what was sent at each problem's place.
pub(crate) fn with_inputs(
    mut problems: Vec<Problem>,
    input_of: impl Fn(&Problem) -> Option<String>,
) -> Invalid {
    for problem in &mut problems {
        if let Some(input) = input_of(problem) {
            problem.input = input;
        }
    }
    problems.into()
}
