//! What goes wrong with requests, counted by kind.

use std::fmt;

/// How a request ended without the answer that it should have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The connection could not be opened.
    Refused,
    /// The connection ended before the answer was whole.
    Reset,
    /// The server says that it has too much to do: 429 or 503.
    Busy,
    /// Another status that is not 2xx.
    Status,
    /// No answer in time.
    Timeout,
    /// What came is not HTTP.
    Garbled,
}

/// In the order in which they are shown.
const KINDS: [(Kind, &str); 6] = [
    (Kind::Refused, "refused"),
    (Kind::Reset, "reset"),
    (Kind::Busy, "busy"),
    (Kind::Status, "status"),
    (Kind::Timeout, "timeout"),
    (Kind::Garbled, "garbled"),
];

impl Kind {
    /// `None` for a status that is a success.
    pub(crate) fn of_status(status: u16) -> Option<Self> {
        match status {
            200..300 => None,
            429 | 503 => Some(Kind::Busy),
            _ => Some(Kind::Status),
        }
    }
}

/// How often each kind came. Shown as `47 (45 reset, 2 busy)`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Errors([u64; KINDS.len()]);

impl Errors {
    pub(crate) fn add(&mut self, kind: Kind, count: u64) {
        self.0[kind as usize] += count;
    }

    /// Takes one kind out, where it is no error; returns how often it came.
    pub(crate) fn take(&mut self, kind: Kind) -> u64 {
        std::mem::take(&mut self.0[kind as usize])
    }

    pub(crate) fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The kinds that came, with their names.
    pub(crate) fn by_kind(&self) -> impl Iterator<Item = (&'static str, u64)> {
        KINDS
            .iter()
            .map(|&(kind, name)| (name, self.0[kind as usize]))
            .filter(|(_, count)| *count > 0)
    }
}

impl std::ops::AddAssign<&Errors> for Errors {
    fn add_assign(&mut self, others: &Errors) {
        for (count, other) in self.0.iter_mut().zip(others.0) {
            *count += other;
        }
    }
}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.total())?;
        let kinds: Vec<_> = self
            .by_kind()
            .map(|(name, count)| format!("{count} {name}"))
            .collect();
        if kinds.is_empty() {
            return Ok(());
        }
        write!(f, " ({})", kinds.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_shown_by_kind() {
        let mut errors = Errors::default();
        assert_eq!(errors.to_string(), "0");
        errors.add(Kind::Busy, 2);
        errors.add(Kind::Reset, 45);
        assert_eq!(errors.to_string(), "47 (45 reset, 2 busy)");
        assert_eq!(errors.take(Kind::Busy), 2);
        assert_eq!(errors.to_string(), "45 (45 reset)");
    }

    #[test]
    fn each_kind_has_a_name_and_a_place_of_its_own() {
        for (place, (kind, _)) in KINDS.iter().enumerate() {
            assert_eq!(*kind as usize, place);
        }
    }

    #[test]
    fn only_a_server_that_says_so_is_busy() {
        assert_eq!(Kind::of_status(204), None);
        assert_eq!(Kind::of_status(429), Some(Kind::Busy));
        assert_eq!(Kind::of_status(503), Some(Kind::Busy));
        assert_eq!(Kind::of_status(500), Some(Kind::Status));
    }
}
