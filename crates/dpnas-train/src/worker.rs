//! One thread's share of a fit: its blocks of features, and its rows of each mini-batch.
//!
//! The threads wait for each other twice in a step. Before the first wait, each thread writes the class scores of its
//! blocks. Then it sums the scores of its rows over all blocks and turns them into errors. After the second wait, it
//! reads all errors and updates its blocks. Scores read the rows from memory. The gradient reads the same rows next, and
//! only weights are read in between, so it finds the rows in the cache if the mini-batch fits there.

use crate::adam::Clock;
use crate::backward::Backward;
use crate::barrier::{Barrier, Broken};
use crate::block::{Block, Blocks};
use crate::data::{Batch, Values};
use crate::drop_out::drop_out;
use crate::feed::{Ended, Feed};
use crate::forward::Forward;
use crate::lanes::Rows;
use crate::order::in_order;
use crate::softmax::{Softmax, argmax};
use crate::{Element, Labelled, ProbeConfig};
use pulp::Arch;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// State that the threads of a fit share.
pub(crate) struct Shared<'a, E> {
    pub config: &'a ProbeConfig,
    pub blocks: Blocks,
    pub train: Labelled<'a, E>,
    pub barrier: Barrier,
    /// Supplies stored rows.
    pub feed: Feed<E>,
    threads: usize,
    /// Each thread's class scores, `[its blocks, rows, score stride]`.
    scores: Vec<RwLock<Vec<f32>>>,
    errors: Vec<RwLock<Errors>>,
    not_finite: AtomicBool,
    correct: AtomicUsize,
}

/// One thread's rows of a mini-batch after the softmax.
#[derive(Debug, Default)]
struct Errors {
    /// `[its rows, score stride]`
    values: Vec<f32>,
    losses: Vec<f64>,
    correct: usize,
}

/// The reason why a thread ends early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Halt {
    /// A class score is not finite.
    NotFinite,
    /// Another thread has ended or was never started.
    Broken,
    /// Stored rows could not be read.
    Unread,
}

impl From<Ended> for Halt {
    fn from(_: Ended) -> Self {
        Self::Unread
    }
}

impl From<Broken> for Halt {
    fn from(_: Broken) -> Self {
        Self::Broken
    }
}

/// Sums over the rows of one epoch.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub correct: usize,
    pub loss: f64,
}

impl<'a, E: Element> Shared<'a, E> {
    pub(crate) fn new(config: &'a ProbeConfig, blocks: Blocks, train: Labelled<'a, E>) -> Self {
        let threads = config.threads.get().min(blocks.count());
        Self {
            config,
            blocks,
            train,
            barrier: Barrier::new(threads),
            feed: Feed::default(),
            threads,
            scores: (0..threads).map(|_| RwLock::default()).collect(),
            errors: (0..threads).map(|_| RwLock::default()).collect(),
            not_finite: AtomicBool::new(false),
            correct: AtomicUsize::new(0),
        }
    }

    pub(crate) fn threads(&self) -> usize {
        self.threads
    }

    /// One thread's share of `len` items.
    fn share(&self, index: usize, len: usize) -> Range<usize> {
        index * len / self.threads..(index + 1) * len / self.threads
    }
}

pub(crate) struct Worker<'s, 'a, E> {
    shared: &'s Shared<'a, E>,
    index: usize,
    arch: Arch,
    blocks: Vec<Block>,
    /// With drop-out, the rows of the current mini-batch for each block, contiguous.
    dropped: Vec<Vec<f32>>,
    clock: Clock,
    steps: u64,
    /// Batches of stored rows taken so far.
    taken: usize,
    /// All errors of the current mini-batch, `[rows, score stride]`.
    errors: Vec<f32>,
    /// Summed class scores of this thread's rows.
    sums: Vec<f32>,
    /// Scratch memory.
    gradient: Vec<f32>,
}

impl<'s, 'a, E: Element> Worker<'s, 'a, E> {
    /// Thread `index` with its blocks of the initial weights, `[classes, features]`.
    pub(crate) fn new(shared: &'s Shared<'a, E>, index: usize, weights: &[f32]) -> Self {
        let own = shared.share(index, shared.blocks.count());
        let blocks: Vec<Block> = own.map(|i| Block::cut(&shared.blocks, i, weights).with_moments()).collect();
        Self {
            shared,
            index,
            arch: Arch::new(),
            dropped: vec![Vec::new(); blocks.len()],
            blocks,
            clock: Clock::start(),
            steps: 0,
            taken: 0,
            errors: Vec::new(),
            sums: Vec::new(),
            gradient: Vec::new(),
        }
    }

    pub(crate) fn into_blocks(self) -> Vec<Block> {
        self.blocks
    }

    /// One pass over the training rows in the order of an epoch, counted from 0. All threads get the same tally.
    pub(crate) fn train_epoch(&mut self, epoch: u32) -> Result<Tally, Halt> {
        let shared = self.shared;
        let order = shared.config.epoch_order(shared.train.len(), epoch);
        let mut tally = Tally::default();
        for indices in order.chunks(shared.config.batch_size) {
            let batch = self.take(shared.train, indices)?;
            self.score(&batch);
            shared.barrier.wait()?;
            self.release(self.taken.saturating_sub(1));
            self.write_errors(indices);
            shared.barrier.wait()?;
            self.read_errors(&mut tally)?;
            self.update(&batch);
        }
        Ok(tally)
    }

    /// The rows of the next batch. All threads take the same batches in the same order.
    fn take<'b>(&mut self, set: Labelled<'b, E>, indices: &[usize]) -> Result<Batch<'b, E>, Halt>
    where
        's: 'b,
    {
        let features = self.shared.blocks.features;
        match set.values {
            Values::Memory(rows) => Ok(Batch::of_slice(rows, indices, features)),
            Values::Stored(_) => {
                let buffer = self.shared.feed.batch(self.taken)?;
                self.taken += 1;
                Ok(Batch::of_buffer(buffer, indices.len(), features))
            }
        }
    }

    /// Frees the buffers of taken batches below `number`. To be called after a wait, when no thread needs them.
    fn release(&self, number: usize) {
        if self.index == 0 && self.taken > 0 {
            self.shared.feed.release(number);
        }
    }

    /// Writes the class scores of the next mini-batch, block by block.
    fn score(&mut self, batch: &Batch<'_, E>) {
        let Shared { config, blocks, .. } = self.shared;
        let (stride, arch) = (blocks.score_stride(), self.arch);
        let stream = config.seed.stream("drop-out", self.steps);
        self.steps += 1;
        let mut scores = write(&self.shared.scores[self.index]);
        scores.resize(self.blocks.len() * batch.len() * stride, 0.0);
        let parts = self.blocks.iter().zip(&mut self.dropped);
        for ((block, dropped), scores) in parts.zip(scores.chunks_exact_mut(batch.len() * stride)) {
            let (rows, features) = (batch.rows(), block.features.clone());
            if config.drop_out > 0.0 {
                let offsets = packed(batch.len(), features.len());
                drop_out(rows, blocks.features, features, &stream, config.drop_out, dropped);
                let rows = Rows { data: dropped.as_slice(), offsets: &offsets };
                Forward { rows, start: 0, block, scores, stride }.run(arch);
            } else {
                Forward { rows, start: features.start, block, scores, stride }.run(arch);
            }
        }
    }

    /// Updates the weights with the errors of the current mini-batch, block by block.
    fn update(&mut self, batch: &Batch<'_, E>) {
        let Shared { config, blocks, .. } = self.shared;
        let (stride, arch) = (blocks.score_stride(), self.arch);
        let adam = &self.clock.tick(config);
        let (errors, gradient) = (self.errors.as_slice(), &mut self.gradient);
        for (block, dropped) in self.blocks.iter_mut().zip(&self.dropped) {
            let (start, len) = (block.features.start, block.features.len());
            if config.drop_out > 0.0 {
                let rows = Rows { data: dropped.as_slice(), offsets: &packed(batch.len(), len) };
                Backward { rows, start: 0, block, errors, stride, adam, gradient }.run(arch);
            } else {
                let rows = batch.rows();
                Backward { rows, start, block, errors, stride, adam, gradient }.run(arch);
            }
        }
    }

    /// Errors, losses and decisions of this thread's rows of the mini-batch.
    fn write_errors(&mut self, batch: &[usize]) {
        let Shared { blocks, train, .. } = self.shared;
        let own = self.shared.share(self.index, batch.len());
        self.sum_scores(batch.len(), own.clone());
        let mut guard = write(&self.shared.errors[self.index]);
        let errors = &mut *guard;
        std::mem::swap(&mut errors.values, &mut self.sums);
        errors.losses.clear();
        errors.correct = 0;
        let (stride, scale) = (blocks.score_stride(), 1.0 / batch.len() as f32);
        let labels = batch[own].iter().map(|&row| train.labels[row] as usize);
        let softmax = Softmax { classes: blocks.classes, stride, scale };
        let finite = softmax.run(self.arch, &mut errors.values, labels, |verdict| {
            errors.losses.push(verdict.loss);
            errors.correct += usize::from(verdict.correct);
        });
        if !finite {
            self.shared.not_finite.store(true, Ordering::Relaxed);
        }
    }

    /// Collects all threads' errors, and adds to the tally in the order of the rows.
    fn read_errors(&mut self, tally: &mut Tally) -> Result<(), Halt> {
        self.check_finite()?;
        self.errors.clear();
        for part in &self.shared.errors {
            let part = read(part);
            self.errors.extend_from_slice(&part.values);
            tally.loss = part.losses.iter().fold(tally.loss, |sum, loss| sum + loss);
            tally.correct += part.correct;
        }
        Ok(())
    }

    /// The number of rows of a set that are classified correctly. All threads get the same number.
    pub(crate) fn evaluate(&mut self, set: Labelled<'_, E>) -> Result<usize, Halt> {
        let Shared { config, blocks, barrier, correct, .. } = self.shared;
        let stride = blocks.score_stride();
        let mut own_correct = 0;
        let mut finite = true;
        for indices in in_order(config, &set) {
            let (first, rows) = (indices[0], indices.len());
            let batch = self.take(set, &indices)?;
            let mut scores = write(&self.shared.scores[self.index]);
            scores.resize(self.blocks.len() * rows * stride, 0.0);
            for (block, scores) in self.blocks.iter().zip(scores.chunks_exact_mut(rows * stride)) {
                Forward { rows: batch.rows(), start: block.features.start, block, scores, stride }.run(self.arch);
            }
            drop((scores, batch));
            barrier.wait()?;
            self.release(self.taken);
            let own = self.shared.share(self.index, rows);
            self.sum_scores(rows, own.clone());
            for (scores, row) in self.sums.chunks_exact(stride).zip(own) {
                let best = argmax(&scores[..blocks.classes]);
                finite &= best.is_some();
                own_correct += usize::from(best == Some(set.labels[first + row] as usize));
            }
            barrier.wait()?;
        }
        if !finite {
            self.shared.not_finite.store(true, Ordering::Relaxed);
        }
        correct.fetch_add(own_correct, Ordering::Relaxed);
        barrier.wait()?;
        let all = correct.load(Ordering::Relaxed);
        let outcome = self.check_finite();
        barrier.wait()?;
        if self.index == 0 {
            correct.store(0, Ordering::Relaxed);
        }
        outcome.map(|()| all)
    }

    /// Sums the scores of this thread's rows over all blocks, in their order.
    fn sum_scores(&mut self, rows: usize, own: Range<usize>) {
        let stride = self.shared.blocks.score_stride();
        self.sums.clear();
        self.sums.resize(own.len() * stride, 0.0);
        for part in &self.shared.scores {
            for block in read(part).chunks_exact(rows * stride) {
                for (sum, score) in self.sums.iter_mut().zip(&block[own.start * stride..own.end * stride]) {
                    *sum += score;
                }
            }
        }
    }

    fn check_finite(&self) -> Result<(), Halt> {
        if self.shared.not_finite.load(Ordering::Relaxed) { Err(Halt::NotFinite) } else { Ok(()) }
    }
}

/// Offsets of contiguous rows of `len` values.
fn packed(rows: usize, len: usize) -> Vec<usize> {
    (0..rows).map(|row| row * len).collect()
}

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
