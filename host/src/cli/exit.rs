//! Exit codes: what a script may rely on. `args.rs` prints this table in
//! `--help`.

use std::process::ExitCode;

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// The command did what it says.
    Success = 0,
    /// Anything that has no code of its own.
    Failure = 1,
    /// The command line makes no sense: what clap does not find out itself.
    Usage = 2,
    /// At least one function was not built; the others were.
    BuildFailed = 3,
    /// No host answers at the `--host` address.
    Unreachable = 4,
    /// The host answered and refused: the token, or what was deployed.
    Refused = 5,
    /// `dunlin doctor` found what does not work.
    Unwell = 6,
    /// `dunlin invoke` was answered with a status of 400 or more.
    Unsuccessful = 7,
}

/// The table below `--help`.
pub(crate) const HELP: &str = "\
Exit codes:
  0  done
  1  failed
  2  the command line was not understood
  3  a function was not built
  4  no host answers at the --host address
  5  the host refused: the token, or what was deployed
  6  `dunlin doctor` found what does not work
  7  `dunlin invoke` was answered with 400 or more";

/// An error that carries its exit code. Made by [`Exit::error`].
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
struct Failure {
    exit: Exit,
    message: String,
}

impl Exit {
    /// An error with this code. Where there is a cause, attach the code to it
    /// with [`Exit::because`].
    pub(crate) fn error(self, message: impl Into<String>) -> anyhow::Error {
        anyhow::Error::new(Failure {
            exit: self,
            message: message.into(),
        })
    }

    /// An error with this code, this message, and `cause` as its source.
    pub(crate) fn because(
        self,
        message: impl Into<String>,
        cause: impl Into<anyhow::Error>,
    ) -> anyhow::Error {
        cause.into().context(Failure {
            exit: self,
            message: message.into(),
        })
    }

    /// The code that `error` carries, however much context was put around it.
    pub(crate) fn of(error: &anyhow::Error) -> Self {
        error
            .downcast_ref::<Failure>()
            .map_or(Self::Failure, |failure| failure.exit)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn the_code_survives_context_on_either_side() {
        let cause = std::io::Error::other("connection refused");
        let error = Exit::Unreachable.because("no host answers", cause);
        assert_eq!(format!("{error:#}"), "no host answers: connection refused");
        let error = Err::<(), _>(error)
            .context("cannot deploy")
            .expect_err("is an error");
        assert_eq!(Exit::of(&error), Exit::Unreachable);
    }

    #[test]
    fn a_plain_error_is_a_plain_failure() {
        assert_eq!(Exit::of(&anyhow::anyhow!("no")), Exit::Failure);
        assert_eq!(
            Exit::of(&Exit::BuildFailed.error("2 of 3 functions were not built")),
            Exit::BuildFailed
        );
    }

    #[test]
    fn help_names_every_code() {
        const CLAPS_OWN: u8 = 2;
        let codes = [
            Exit::Success as u8,
            Exit::Failure as u8,
            CLAPS_OWN,
            Exit::BuildFailed as u8,
            Exit::Unreachable as u8,
            Exit::Refused as u8,
            Exit::Unwell as u8,
            Exit::Unsuccessful as u8,
        ];
        let listed: Vec<u8> = HELP
            .lines()
            .skip(1)
            .map(|line| line.trim_start().as_bytes()[0] - b'0')
            .collect();
        assert_eq!(listed, codes);
    }
}
