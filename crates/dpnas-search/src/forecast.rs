//! What a search is likely to ask for next.

use crate::{Action, QTable, Search, Space};
use dpnas_grammar::Layer;

/// Architectures that are drawn less often than this are not counted one by one.
const RARE: f64 = 1e-6;

/// How likely architectures are, as the search stands. A search moves on with every outcome, so a forecast is for the
/// near future; nothing of the search depends on it.
#[derive(Clone, Debug)]
pub struct Forecast<'a> {
    space: &'a Space,
    table: &'a QTable,
    epsilon: f64,
    /// Architectures that would not be scored again, without the classifier, and how likely each is to be drawn.
    known: Vec<(&'a [Layer], f64)>,
}

impl Search {
    /// What is likely to be asked for next, with the ε of `ahead` architectures later; `None` if nothing will be.
    pub fn forecast(&self, ahead: u64) -> Option<Forecast<'_>> {
        let progress = self.progress();
        let later = self.settings().schedule.epsilon_at(progress.counted + progress.in_flight + ahead);
        let epsilon = later.or(progress.epsilon)?;
        let mut forecast = Forecast { space: self.space(), table: self.q_table(), epsilon, known: Vec::new() };
        let nets = self.met_nets().map(|net| &net.layers()[..net.layers().len() - 1]);
        forecast.known = nets.filter_map(|layers| Some((layers, forecast.drawn(layers, true)?))).collect();
        Some(forecast)
    }
}

impl Forecast<'_> {
    /// The probability that the next architecture to be scored begins with these layers.
    pub fn share(&self, layers: &[Layer]) -> f64 {
        let new = 1.0 - self.known.iter().map(|(_, drawn)| drawn).sum::<f64>();
        let known = self.known.iter().filter(|(net, _)| net.starts_with(layers)).map(|(_, drawn)| drawn);
        let share = (self.drawn(layers, false).unwrap_or(0.0) - known.sum::<f64>()) / new;
        if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 }
    }

    /// The probability that a walk begins with these layers, or ends after them; `None` if it is rare.
    fn drawn(&self, layers: &[Layer], ends: bool) -> Option<f64> {
        let (mut state, mut drawn) = (self.space.start(), 1.0);
        let end = ends.then_some(Action::Terminate);
        for action in layers.iter().copied().map(Action::Layer).chain(end) {
            let actions = self.space.actions(&state);
            let slot = actions.iter().position(|legal| *legal == action)?;
            let values = self.table.values_or_initial(&state, actions.len());
            let best = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let greedy = match values[slot] == best {
                true => 1.0 / values.iter().filter(|&&value| value == best).count() as f64,
                false => 0.0,
            };
            drawn *= self.epsilon / actions.len() as f64 + (1.0 - self.epsilon) * greedy;
            if drawn < RARE {
                return None;
            }
            state = self.space.advance(&state, &action);
        }
        Some(drawn)
    }
}

#[cfg(test)]
mod tests {
    use crate::{Feedback, ImageShape, Search, SearchSettings, Seed, SpaceSettings};
    use std::collections::BTreeMap;

    /// A search of a few hundred architectures, up to a few draws at ε = 0.3.
    fn search(seed: u64) -> Search {
        let settings =
            SpaceSettings { kernels: vec![1, 3], features: vec![4, 8], max_depth: 3, ..SpaceSettings::small() };
        let space = settings.check(ImageShape::square(1, 8), 3).unwrap();
        let settings = SearchSettings { schedule: "1.0:20,0.3:40".parse().unwrap(), ..SearchSettings::paper() };
        let mut search = Search::new(space, settings, Seed(seed)).unwrap();
        while search.progress().counted < 30 {
            let candidate = search.ask().unwrap().unwrap();
            let reward = 0.3 + 0.6 * (Seed(5).derive(&candidate.net.to_string(), 0).0 as f64 / (1u64 << 63) as f64);
            search.tell(candidate.id, Feedback::Scored { reward }).unwrap();
        }
        search
    }

    #[test]
    fn the_forecast_is_how_often_new_architectures_begin_so() {
        let search = search(1);
        let forecast = search.forecast(0).unwrap();
        let mut met: BTreeMap<Vec<_>, f64> = BTreeMap::new();
        let mut new = 0.0f64;
        for index in 0..20_000 {
            let layers = crate::walk::epsilon_greedy(
                search.space(),
                search.q_table(),
                &Default::default(),
                0.3,
                &mut Seed(2).stream("t", index).rng(),
            );
            let layers = layers.unwrap();
            if search.met_nets().any(|net| net.layers()[..net.layers().len() - 1] == layers[..]) {
                continue;
            }
            new += 1.0;
            (0..=layers.len()).for_each(|end| *met.entry(layers[..end].to_vec()).or_default() += 1.0);
        }
        assert!(new > 2000.0 && met[&vec![]] == new);
        assert_eq!(forecast.share(&[]), 1.0);
        let frequent: Vec<_> = met.iter().filter(|(_, count)| **count > 0.02 * new).collect();
        assert!(frequent.len() > 5);
        for (layers, count) in frequent {
            let (found, expected) = (forecast.share(layers), count / new);
            assert!((found - expected).abs() < 0.02, "{layers:?}: {found}, drawn {expected}");
        }
    }

    #[test]
    fn what_the_space_does_not_have_is_not_foreseen_and_nothing_is_after_the_end() {
        let mut search = search(2);
        let foreign = dpnas_grammar::Layer::MaxPool { size: 2, stride: 2 };
        assert_eq!(search.forecast(0).unwrap().share(&[foreign]), 0.0);
        while let Some(candidate) = search.ask().unwrap() {
            search.tell(candidate.id, Feedback::Scored { reward: 0.5 }).unwrap();
        }
        assert!(search.forecast(0).is_none());
    }

    #[test]
    fn a_forecast_may_look_ahead_in_the_schedule() {
        let settings = SearchSettings { schedule: "1.0:2,0.0:2".parse().unwrap(), ..SearchSettings::paper() };
        let space = SpaceSettings::small().check(ImageShape::square(1, 8), 3).unwrap();
        let mut search = Search::new(space, settings, Seed(3)).unwrap();
        let candidate = search.ask().unwrap().unwrap();
        search.tell(candidate.id, Feedback::Scored { reward: 0.9 }).unwrap();
        let first = &candidate.net.layers()[..1];
        // Explored at first; then the only architecture that was good is known, and what is new begins anywhere.
        let share = |ahead| search.forecast(ahead).unwrap().share(first);
        assert!(share(0) < 0.1 && share(1) == 0.0 && share(99) == share(0), "{} {}", share(0), share(1));
    }
}
