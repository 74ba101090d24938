//! What one round measured, and the medians over the rounds.

use crate::errors::Errors;

/// One peer in one scenario: of one round, or the medians over all.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sample {
    /// Answers a second; of a start, starts a second at its median length.
    pub(crate) rps: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    /// CPU time of the server's process tree per answer, hogs' included.
    pub(crate) cpu_us: f64,
    pub(crate) rss_mib: f64,
    /// Summed over the rounds, where all else is a median.
    pub(crate) errors: Errors,
    /// Share of the machine's CPU time that neither the server nor the bench
    /// used, 0 to 1. Starts are too short to tell.
    pub(crate) other_load: Option<f64>,
    pub(crate) mixed: Option<MixedSample>,
    pub(crate) overload: Option<OverloadSample>,
}

/// What only the mixed scenarios measure.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MixedSample {
    /// The probe's median before the hogs came.
    pub(crate) idle_p50_ms: f64,
    /// Answers a second of the CPU-bound route.
    pub(crate) hog_rps: f64,
}

/// What only the overload measures; its `rps` and latencies are of the requests
/// that were admitted.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OverloadSample {
    /// Answers a second in a closed loop before.
    pub(crate) capacity_rps: f64,
    /// Requests a second that came to an end, well or badly.
    pub(crate) asked_rps: f64,
    /// `rps` over `capacity_rps` of the same round.
    pub(crate) goodput: f64,
}

/// Medians over `rounds`; `None` when there are none.
pub(crate) fn summarise(rounds: &[Sample]) -> Option<Sample> {
    let over = |field: fn(&Sample) -> f64| median(rounds.iter().map(field).collect());
    let mixed = |field: fn(&MixedSample) -> f64| {
        let samples = rounds.iter().filter_map(|round| round.mixed.as_ref());
        median(samples.map(field).collect())
    };
    let overload = |field: fn(&OverloadSample) -> f64| {
        let samples = rounds.iter().filter_map(|round| round.overload.as_ref());
        median(samples.map(field).collect())
    };
    let mut errors = Errors::default();
    for round in rounds {
        errors += &round.errors;
    }
    Some(Sample {
        rps: over(|sample| sample.rps)?,
        p50_ms: over(|sample| sample.p50_ms)?,
        p99_ms: over(|sample| sample.p99_ms)?,
        cpu_us: over(|sample| sample.cpu_us)?,
        rss_mib: over(|sample| sample.rss_mib)?,
        errors,
        other_load: median(rounds.iter().filter_map(|r| r.other_load).collect()),
        mixed: (|| {
            Some(MixedSample {
                idle_p50_ms: mixed(|sample| sample.idle_p50_ms)?,
                hog_rps: mixed(|sample| sample.hog_rps)?,
            })
        })(),
        overload: (|| {
            Some(OverloadSample {
                capacity_rps: overload(|sample| sample.capacity_rps)?,
                asked_rps: overload(|sample| sample.asked_rps)?,
                goodput: overload(|sample| sample.goodput)?,
            })
        })(),
    })
}

/// The middle value, or the mean of the middle two.
pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    let lower = *values.get((values.len() - 1) / 2)?;
    Some(lower.midpoint(upper))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::errors::Kind;

    fn sample(rps: f64, resets: u64, hog_rps: Option<f64>) -> Sample {
        let mut errors = Errors::default();
        errors.add(Kind::Reset, resets);
        Sample {
            rps,
            p50_ms: 1.0,
            p99_ms: 2.0,
            cpu_us: 10.0,
            rss_mib: 20.0,
            errors,
            other_load: None,
            mixed: hog_rps.map(|hog_rps| MixedSample {
                idle_p50_ms: 10.0,
                hog_rps,
            }),
            overload: None,
        }
    }

    #[test]
    fn the_median_is_the_middle_whatever_the_order() {
        assert_eq!(median(vec![3.0, 100.0, 1.0]), Some(3.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 90.0]), Some(3.0));
        assert_eq!(median(vec![]), None);
    }

    #[test]
    fn rounds_become_medians_but_no_error_is_lost() {
        let rounds = [
            sample(10.0, 0, None),
            sample(30.0, 5, None),
            sample(20.0, 1, None),
        ];
        assert_eq!(summarise(&rounds), Some(sample(20.0, 6, None)));
        assert_eq!(summarise(&[]), None);
    }

    #[test]
    fn each_figure_of_a_mixed_load_has_its_own_median() {
        let rounds = [
            sample(10.0, 0, Some(190.0)),
            sample(30.0, 0, Some(180.0)),
            sample(20.0, 0, Some(170.0)),
        ];
        assert_eq!(summarise(&rounds), Some(sample(20.0, 0, Some(180.0))));
    }
}
