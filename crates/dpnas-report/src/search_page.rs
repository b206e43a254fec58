//! The HTML report of a search: one file, nothing to load.

use crate::canvas::escape;
use crate::front::{front_plot, pareto_front};
use crate::number::short;
use crate::page::{Behaviour, MISSING, PageText, percent};
use crate::plot::{PlotOptions, labelled_reward_plot};
use crate::random_search::expected_best;
use crate::scale::epsilon_text;
use crate::svg::Svg;
use crate::{Curve, CurveGroup, CurveKind, CurvesPlot, RewardPoint};
use std::collections::{HashMap, HashSet};

/// Rows of the table; architectures on a front come on top.
const MOST_ROWS: usize = 1_000;
/// Fewest random architectures that tell what chance finds.
const FEWEST_RANDOM: usize = 20;
/// Points of a curve over the width of its picture.
const CURVE_POINTS: usize = 480;

/// The report of a search.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct SearchPage {
    /// The texts around the rest.
    pub text: PageText,
    /// Whether the search runs: the page loads itself again.
    pub running: bool,
    /// What draws an architecture where chance does not, such as `q-learning`.
    pub strategy: String,
    /// The rows of the replay buffer, each with its architecture string.
    pub rows: Vec<(RewardPoint, String)>,
    /// All scored architectures, best first.
    pub nets: Vec<BestNet>,
    /// The best architecture and everything that it was made from, the youngest first; empty if that is not known.
    pub family: Vec<Relative>,
    /// The cost that is an objective beside the reward: the architectures on the front of both are listed.
    pub objective: Option<Cost>,
    /// A test accuracy to compare with.
    pub baseline: Option<Baseline>,
}

/// A scored architecture.
#[derive(Clone, Debug, PartialEq)]
pub struct BestNet {
    /// The architecture string.
    pub net: String,
    /// Its reward, as a fraction.
    pub reward: f64,
    /// Best validation accuracy of all epochs, as a fraction.
    pub valid_accuracy: f64,
    /// Test accuracy after the last epoch, as a fraction, if it is known.
    pub test_accuracy: Option<f64>,
    /// Features that the encoder gives to the classifier.
    pub features: Option<u64>,
    /// Multiply-adds of one image.
    pub multiply_adds: Option<u64>,
    /// Weights of encoder and classifier.
    pub parameters: Option<u64>,
}

/// A member of a family.
#[derive(Clone, Debug, PartialEq)]
pub struct Relative {
    /// The architecture string.
    pub net: String,
    /// Its reward, or the score of the rung that stopped it.
    pub value: f64,
    /// Places of its parents in the family; empty if it was drawn at random.
    pub parents: Vec<usize>,
}

/// What an architecture costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    /// Multiply-adds of one image.
    MultiplyAdds,
    /// Weights of encoder and classifier.
    Parameters,
}

impl Cost {
    const ALL: [Self; 2] = [Self::MultiplyAdds, Self::Parameters];

    /// Its name: `multiply-adds` or `parameters`.
    pub fn name(self) -> &'static str {
        match self {
            Self::MultiplyAdds => "multiply-adds",
            Self::Parameters => "parameters",
        }
    }

    /// The architectures, given best first, on the Pareto front of their rewards and this cost, the cheapest first.
    /// Those without the cost, or whose reward is not above 0, are left out.
    pub fn front(self, nets: &[BestNet]) -> Vec<&BestNet> {
        let nets = self.known(nets);
        pareto_front(&self.points(&nets)).into_iter().map(|i| nets[i]).collect()
    }

    /// What an architecture costs, if it is known.
    pub fn of(self, net: &BestNet) -> Option<u64> {
        match self {
            Self::MultiplyAdds => net.multiply_adds,
            Self::Parameters => net.parameters,
        }
    }

    fn known(self, nets: &[BestNet]) -> Vec<&BestNet> {
        nets.iter().filter(|net| self.of(net).is_some() && net.reward > 0.0).collect()
    }

    fn points(self, nets: &[&BestNet]) -> Vec<(u64, f64)> {
        nets.iter().map(|net| (self.of(net).unwrap_or_default(), net.reward)).collect()
    }
}

/// The test accuracy of a simpler model.
#[derive(Clone, Debug, PartialEq)]
pub struct Baseline {
    /// Its name, for example "linear classifier on raw pixels".
    pub name: String,
    /// Test accuracy, as a fraction.
    pub test_accuracy: f64,
}

impl SearchPage {
    /// A report of texts alone; the fields are public.
    pub fn new(text: PageText) -> Self {
        Self { text, ..Self::default() }
    }

    /// The report as one HTML document without images, styles or scripts from elsewhere; it is also well-formed XML. Its
    /// own script tells, sorts and filters.
    pub fn to_html(&self) -> String {
        let view = View::new(self);
        let sections = [
            Some(("Rewards".to_owned(), view.rewards())),
            view.best_so_far().map(|markup| ("Best reward so far".to_owned(), markup)),
            view.costs().map(|markup| ("Reward and cost".to_owned(), markup)),
            self.objective.map(|cost| (format!("Front of reward and {}", cost.name()), view.front(cost))),
            Some(("Best architectures".to_owned(), view.table())),
            view.family().map(|markup| ("Family of the best architecture".to_owned(), markup)),
        ];
        let behaviour = if self.running { Behaviour::Renewed } else { Behaviour::Alive };
        self.text.document(behaviour, sections.into_iter().flatten())
    }
}

/// A page with what its parts share.
struct View<'a> {
    page: &'a SearchPage,
    /// The rows that count, in order.
    points: Vec<RewardPoint>,
    names: Vec<&'a str>,
    /// The first of these rows of each architecture, and its place among the best.
    first: HashMap<&'a str, usize>,
    ranks: HashMap<&'a str, usize>,
    /// The architectures on the front of each cost.
    fronts: [HashSet<&'a str>; 2],
}

impl<'a> View<'a> {
    fn new(page: &'a SearchPage) -> Self {
        let counted = page.rows.iter().filter(|(point, _)| point.counts());
        let (points, names): (Vec<RewardPoint>, Vec<&str>) = counted.map(|(point, net)| (*point, net.as_str())).unzip();
        Self {
            first: names.iter().enumerate().rev().map(|(i, net)| (*net, i)).collect(),
            ranks: page.nets.iter().enumerate().rev().map(|(i, net)| (net.net.as_str(), i)).collect(),
            fronts: Cost::ALL.map(|cost| cost.front(&page.nets).into_iter().map(|net| net.net.as_str()).collect()),
            page,
            points,
            names,
        }
    }

    /// What a point says of its row.
    fn label(&self, row: usize) -> String {
        let (RewardPoint { epsilon, reward }, net) = (self.points[row], self.names[row]);
        let mut label = format!("architecture {}, {}", row + 1, epsilon_text(epsilon));
        if !self.page.strategy.is_empty() {
            label += &format!(", {}", self.page.strategy);
        }
        label += &format!("\nreward {reward:.4}");
        let scored = self.ranks.get(net).map(|rank| &self.page.nets[*rank]);
        for cost in Cost::ALL {
            if let Some(count) = scored.and_then(|net| cost.of(net)) {
                label += &format!(", {} {}", short(count), cost.name());
            }
        }
        label + "\n" + net
    }

    fn rewards(&self) -> String {
        let options = PlotOptions::titled("Rewards of the search");
        match labelled_reward_plot(&self.points, &options, &|row| self.label(row)) {
            Some(svg) => figure(
                &svg,
                "Each point is one architecture in the order of the search, coloured by its reward. Point at one to see \
                 which. Rejected architectures are left out.",
            ),
            None => note("The plot appears as soon as more than 20 architectures have a reward above 0."),
        }
    }

    fn best_so_far(&self) -> Option<String> {
        let mut best = 0.0_f64;
        let reached = self.points.iter().map(|point| {
            best = best.max(point.reward);
            best
        });
        let line = |name: &str, values| CurveGroup {
            name: name.to_owned(),
            curves: vec![Curve::new(CurveKind::Valid, values)],
        };
        let mut plot = CurvesPlot::titled("");
        plot.x_name = "architecture".to_owned();
        plot.y_name = "reward".to_owned();
        plot.groups = vec![line("best so far in this search", reached.collect())];
        let random: Vec<f64> =
            self.points.iter().filter(|point| point.epsilon == 1.0).map(|point| point.reward).collect();
        let mut caption = "The highest reward so far.".to_owned();
        if random.len() >= FEWEST_RANDOM {
            let count = self.points.len();
            let expected = expected_best(&random, count, count.div_ceil(CURVE_POINTS));
            plot.groups.push(line("expected best of as many random architectures", expected));
            caption += &format!(
                " The other line is the expected highest of as many draws from the {} rewards that this search drew at \
                 random (ε = 1). It cannot rise above the best of them: beyond as many architectures it is too low.",
                random.len()
            );
        }
        (self.points.len() > 1).then(|| plot.draw()).flatten().map(|svg| figure(&svg, &caption))
    }

    fn costs(&self) -> Option<String> {
        let plots = Cost::ALL.into_iter().filter_map(|cost| {
            let nets = cost.known(&self.page.nets);
            let label =
                |i: usize| self.first.get(nets[i].net.as_str()).map_or_else(String::new, |row| self.label(*row));
            front_plot(&cost.points(&nets), cost.name(), &label)
        });
        let plots: String = plots.map(|svg| svg.as_str().to_owned()).collect();
        (!plots.is_empty()).then(|| {
            format!(
                "<figure>\n<div class=\"pair\">\n{plots}</div>\n<figcaption>Each point is one architecture; up and to the \
                 left is better. The line is the Pareto front: no other architecture is at least as cheap and at least \
                 as good.</figcaption>\n</figure>\n"
            )
        })
    }

    fn front(&self, cost: Cost) -> String {
        let front: Vec<usize> = cost
            .front(&self.page.nets)
            .into_iter()
            .filter_map(|net| self.ranks.get(net.net.as_str()).copied())
            .collect();
        if front.is_empty() { none() } else { self.rows("", &front, "") }
    }

    fn table(&self) -> String {
        let nets = &self.page.nets;
        if nets.is_empty() {
            return none();
        }
        let listed =
            |i: &usize| *i < MOST_ROWS || self.fronts.iter().any(|front| front.contains(nets[*i].net.as_str()));
        let listed: Vec<usize> = (0..nets.len()).filter(listed).collect();
        let foot = self.page.baseline.iter().map(|baseline| {
            format!(
                "<tfoot><tr><td></td><th scope=\"row\">{}</th><td></td><td></td><td class=\"n\">{}</td><td></td><td></td><td></td></tr></tfoot>\n",
                escape(&baseline.name),
                percent(baseline.test_accuracy)
            )
        });
        let rest = match nets.len() - listed.len() {
            0 => String::new(),
            _ => format!("The best {MOST_ROWS} and the fronts of {}; the replay buffer has all. ", nets.len()),
        };
        let table = self.rows(" id=\"nets\"", &listed, &foot.collect::<String>());
        format!("{table}<p class=\"note small\">{rest}◆ marks the front of reward and this cost.</p>\n")
    }

    /// What the best architecture was made from, if it was not drawn at random.
    fn family(&self) -> Option<String> {
        let row = |(place, relative): (usize, &Relative)| {
            let parents: Vec<String> = relative.parents.iter().map(|parent| (parent + 1).to_string()).collect();
            let from = if parents.is_empty() { "chance".to_owned() } else { parents.join(", ") };
            let stopped = if self.ranks.contains_key(relative.net.as_str()) { "" } else { " at a rung" };
            format!(
                "<tr><td class=\"n\">{}</td><td><code>{}</code></td><td class=\"n\">{:.4}{stopped}</td><td class=\"n\">{from}</td>\
                 </tr>\n",
                place + 1,
                escape(&relative.net),
                relative.value
            )
        };
        let rows: String = self.page.family.iter().enumerate().take(MOST_ROWS).map(row).collect();
        (self.page.family.len() > 1).then(|| {
            format!(
                "<div class=\"wide\"><table>\n<thead><tr><th scope=\"col\" class=\"n\">#</th><th scope=\"col\">Architecture</th>\
                 <th scope=\"col\" class=\"n\">Reward</th><th scope=\"col\" class=\"n\">Made from</th></tr></thead>\n<tbody>\n\
                 {rows}</tbody>\n</table></div>\n<p class=\"note small\">The youngest first. Each was made from the architectures \
                 of these numbers by one or two edits.</p>\n"
            )
        })
    }

    fn rows(&self, attributes: &str, ranks: &[usize], foot: &str) -> String {
        let heads = ["Reward", "Validation", "Test", "Features", "Multiply-adds", "Parameters"];
        let heads: String = heads.iter().map(|head| format!("<th scope=\"col\" class=\"n\">{head}</th>")).collect();
        let rows: String = ranks.iter().map(|rank| self.row(*rank)).collect();
        format!(
            "<div class=\"wide\"><table{attributes}>\n<thead><tr><th scope=\"col\" class=\"n\">#</th>\
             <th scope=\"col\">Architecture</th>{heads}</tr></thead>\n<tbody>\n{rows}</tbody>\n{foot}</table></div>\n"
        )
    }

    fn row(&self, rank: usize) -> String {
        let net = &self.page.nets[rank];
        let reward = if net.reward.is_finite() { format!("{:.4}", net.reward) } else { MISSING.to_owned() };
        let test = net.test_accuracy.map_or_else(|| MISSING.to_owned(), percent);
        let count = |value: Option<u64>, mark: &str| match value {
            Some(value) => format!("<td class=\"n\" title=\"{value}\">{mark}{}</td>", short(value)),
            None => format!("<td class=\"n\">{MISSING}</td>"),
        };
        let costs = [0, 1]
            .map(|i| count(Cost::ALL[i].of(net), if self.fronts[i].contains(net.net.as_str()) { "◆ " } else { "" }));
        format!(
            "<tr><td class=\"n\">{}</td><td><code>{}</code></td><td class=\"n\">{reward}</td><td class=\"n\">{}</td>\
             <td class=\"n\">{test}</td>{}{}</tr>\n",
            rank + 1,
            escape(&net.net),
            percent(net.valid_accuracy),
            count(net.features, ""),
            costs.concat()
        )
    }
}

fn figure(svg: &Svg, caption: &str) -> String {
    format!("<figure>\n{svg}<figcaption>{}</figcaption>\n</figure>\n", escape(caption))
}

fn note(text: &str) -> String {
    format!("<p class=\"note\">{text}</p>\n")
}

fn none() -> String {
    note("No architecture has been scored yet.")
}
