//! The search's own cost: the published schedule on 28×28 images with an evaluation that takes no time.

use criterion::{Criterion, criterion_group, criterion_main};
use dpnas_search::{Feedback, ImageShape, Search, SearchSettings, Seed, SpaceSettings};
use std::hint::black_box;

fn published_schedule(settings: SpaceSettings) -> Search {
    let space = settings.check(ImageShape::square(1, 28), 10).expect("a preset suits 28x28 images");
    let mut search = Search::new(space, SearchSettings::paper(), Seed(1)).expect("the published settings are valid");
    while let Some(candidate) = search.ask().expect("most nets of the preset are accepted") {
        let reward = 0.2 + 0.01 * (candidate.net.layers().len() % 64) as f64;
        search.tell(candidate.id, Feedback::Scored { reward }).expect("the candidate was just asked for");
    }
    search
}

fn searches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("search of 2403 architectures");
    group.sample_size(10);
    group.bench_function("paper", |bencher| bencher.iter(|| black_box(published_schedule(SpaceSettings::paper()))));
    group.bench_function("reference-code", |bencher| {
        bencher.iter(|| black_box(published_schedule(SpaceSettings::reference_code())));
    });
    group.finish();
}

criterion_group!(benches, searches);
criterion_main!(benches);
