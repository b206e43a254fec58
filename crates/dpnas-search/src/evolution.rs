//! Regularised evolution.

use crate::{Action, History, Proposal, Space, Strategy};
use dpnas_grammar::{Layer, Net};
use dpnas_seed::Rng;

/// Regularised evolution: the best of a random sample of the youngest architectures has a child by one or two edits.
///
/// An edit inserts, deletes or replaces a layer, changes one number of a layer, or takes the beginning of another good
/// architecture. Every child is a walk of the space within its limits.
///
/// # Source
/// Real et al., AAAI 2019, for cells; the edits are those of this grammar.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Evolution {
    /// Youngest architectures that may be parents.
    pub population: usize,
    /// Architectures of a sample, of which the best is the parent.
    pub tournament: usize,
}

impl Default for Evolution {
    fn default() -> Self {
        Self { population: 30, tournament: 8 }
    }
}

/// Attempts at a legal edit.
const ATTEMPTS: usize = 200;

impl Strategy for Evolution {
    fn name(&self) -> String {
        format!("evolution of {} by tournaments of {}", self.population, self.tournament)
    }

    fn propose(&self, space: &Space, history: &History<'_>, rng: &mut Rng) -> Option<Proposal> {
        let population: Vec<(&Net, f64)> = history.scored().rev().take(self.population).collect();
        let parent = self.parent(&population, rng)?;
        let edits = 1 + rng.below(2);
        let (mut child, mut parents) = (parent.clone(), vec![parent.clone()]);
        for _ in 0..edits {
            let (edited, other) = (0..ATTEMPTS).find_map(|_| {
                let (edited, other) = self.edit(space, body(&child), &population, rng)?;
                net_of(space, &edited).map(|net| (net, other))
            })?;
            child = edited;
            parents.extend(other.filter(|other| !parents.contains(other)).cloned());
        }
        Some(Proposal { net: child, parents })
    }
}

impl Evolution {
    /// The best of a sample.
    fn parent<'a>(&self, population: &[(&'a Net, f64)], rng: &mut Rng) -> Option<&'a Net> {
        let mut order: Vec<usize> = (0..population.len()).collect();
        rng.shuffle(&mut order);
        let sample = order.into_iter().take(self.tournament.max(1)).map(|place| population[place]);
        sample.max_by(|a, b| a.1.total_cmp(&b.1)).map(|(net, _)| net)
    }

    /// Layers after one edit, which need not be legal, and the other architecture whose beginning they have.
    fn edit<'a>(
        &self,
        space: &Space,
        layers: &[Layer],
        population: &[(&'a Net, f64)],
        rng: &mut Rng,
    ) -> Option<(Vec<Layer>, Option<&'a Net>)> {
        let place = |rng: &mut Rng, places: usize| rng.below(places.max(1) as u64) as usize;
        let (mut edited, mut from) = (layers.to_vec(), None);
        match rng.below(8) {
            0 => {
                let at = place(rng, layers.len() + 1);
                edited.insert(at, any_layer(space, &layers[..at], rng)?);
            }
            1 => {
                edited.remove(place(rng, layers.len()));
            }
            2 => {
                let at = place(rng, layers.len());
                edited[at] = any_layer(space, &layers[..at], rng)?;
            }
            3 => {
                let parent = self.parent(population, rng)?;
                let other = body(parent);
                from = Some(parent);
                let (own, theirs) = (place(rng, layers.len()), place(rng, other.len() + 1));
                edited = [&other[..theirs], &layers[own..]].concat();
            }
            _ => {
                let at = place(rng, layers.len());
                let near: Vec<Layer> = layers_after(space, &layers[..at])?
                    .into_iter()
                    .filter(|&layer| differ_by_one_number(layer, layers[at]))
                    .collect();
                if near.is_empty() {
                    return None;
                }
                edited[at] = near[place(rng, near.len())];
            }
        }
        (edited != layers).then_some((edited, from))
    }
}

/// The layers before the classifier.
fn body(net: &Net) -> &[Layer] {
    &net.layers()[..net.layers().len() - 1]
}

/// The net of these layers and a classifier, if it is a walk of the space within its limits.
fn net_of(space: &Space, layers: &[Layer]) -> Option<Net> {
    space.accepted([layers, &[Layer::Softmax { classes: space.classes() }]].concat())
}

/// The layers that may follow.
fn layers_after(space: &Space, layers: &[Layer]) -> Option<Vec<Layer>> {
    let state = space.follow(layers).ok()?;
    let layer = |action| match action {
        Action::Layer(layer) => Some(layer),
        Action::Terminate => None,
    };
    Some(space.actions(&state).into_iter().filter_map(layer).collect())
}

fn any_layer(space: &Space, layers: &[Layer], rng: &mut Rng) -> Option<Layer> {
    let layers = layers_after(space, layers)?;
    (!layers.is_empty()).then(|| layers[rng.below(layers.len() as u64) as usize])
}

/// Whether two layers are of one kind and differ in one number. A kernel and the padding that keeps the size count as one.
fn differ_by_one_number(a: Layer, b: Layer) -> bool {
    let differences = |pairs: &[(u32, u32)]| pairs.iter().filter(|(a, b)| a != b).count();
    match (a, b) {
        (
            Layer::Conv { features: f, kernel: k, stride: _, padding: p },
            Layer::Conv { features: g, kernel: l, stride: _, padding: q },
        ) => differences(&[(f, g), (k, l), (u32::from(p > 0), u32::from(q > 0))]) == 1,
        (Layer::Residual { features: f }, Layer::Residual { features: g }) => f != g,
        (Layer::MaxPool { size: s, stride: t }, Layer::MaxPool { size: u, stride: v }) => {
            differences(&[(s, u), (t, v)]) == 1
        }
        (Layer::Linear { units: a }, Layer::Linear { units: b }) => a != b,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Member, SpaceSettings, Strategy as _};
    use dpnas_grammar::ImageShape;
    use dpnas_seed::Seed;
    use proptest::prelude::*;
    use rustc_hash::FxHashMap;
    use std::sync::Arc;

    /// Random architectures whose reward is the number of their features.
    fn history(space: &Space, seed: u64) -> Vec<Member> {
        let walk = |index| space.net(&space.uniform_walk(&mut Seed(seed).stream("t", index).rng())).unwrap();
        let accepted = |net: Net| net_of(space, body(&net));
        (0..60)
            .filter_map(|index| accepted(walk(index)))
            .map(|net| Member::new(Arc::new(net.clone()), reward(&net), Vec::new()))
            .collect()
    }

    /// Convolutions with the smallest kernels and the most features are best.
    fn reward(net: &Net) -> f64 {
        let of_layer = |layer: &Layer| match *layer {
            Layer::Conv { features, kernel, .. } => f64::from(features) / f64::from(kernel),
            _ => 0.0,
        };
        (body(net).iter().map(of_layer).sum::<f64>() / 1e4).clamp(1e-3, 1.0)
    }

    proptest! {
        #[test]
        fn a_child_is_accepted_by_its_space(seed: u64, size in 12u32..40) {
            for settings in [SpaceSettings::small(), SpaceSettings::paper()] {
                let space = settings.check(ImageShape::square(1, size), 10).unwrap();
                let members = history(&space, seed);
                let history = History { members: &members, known: &FxHashMap::default() };
                let mut rng = Seed(seed).stream("child", 0).rng();
                if let Some(child) = Evolution::default().propose(&space, &history, &mut rng) {
                    prop_assert!(net_of(&space, body(&child.net)) == Some(child.net));
                    let from = |parent: &Net| members.iter().any(|member| *member.net == *parent);
                    prop_assert!(!child.parents.is_empty() && child.parents.iter().all(from));
                }
            }
        }
    }

    #[test]
    fn children_improve_on_their_parents() {
        let space = SpaceSettings::small().check(ImageShape::square(1, 28), 10).unwrap();
        let mut members = history(&space, 3);
        let best = |members: &[Member]| members.iter().map(|member| member.value).fold(0.0, f64::max);
        let before = best(&members);
        let child = |members: &[Member], child| {
            let mut rng = Seed(1).stream("child", child).rng();
            Evolution::default().propose(&space, &History { members, known: &FxHashMap::default() }, &mut rng)
        };
        for number in 0..300 {
            let net = child(&members, number).unwrap().net;
            members.push(Member::new(Arc::new(net.clone()), reward(&net), Vec::new()));
        }
        assert!(best(&members) > before * 1.1, "{before} {}", best(&members));
        assert!(child(&[], 0).is_none());
    }

    #[test]
    fn one_number_is_a_kernel_a_width_or_whether_there_is_padding() {
        let conv = |features, kernel, padding| Layer::Conv { features, kernel, stride: 1, padding };
        for (other, expected) in [
            (conv(32, 3, 0), true),
            (conv(16, 5, 0), true),
            (conv(16, 3, 1), true),
            (conv(16, 5, 2), false),
            (conv(32, 5, 0), false),
            (conv(16, 3, 0), false),
            (Layer::Residual { features: 16 }, false),
        ] {
            assert_eq!(differ_by_one_number(conv(16, 3, 0), other), expected, "{other}");
        }
        assert!(
            differ_by_one_number(conv(16, 3, 1), conv(16, 5, 2)),
            "the padding that keeps the size follows the kernel"
        );
    }
}
