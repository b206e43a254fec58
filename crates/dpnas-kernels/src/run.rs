//! Runs a program on a group of images.

use crate::buffer::Buffer;
use crate::kernel::{Compute, ConvCall, Scratch, emit, fill, pool, rectify};
use crate::level::Level;
use crate::norms::Norms;
use crate::program::{Kernel, Map, Op, Program, Step};
use std::sync::{Mutex, PoisonError};

/// The buffers of one thread.
#[derive(Debug)]
pub(crate) struct Workspace<E> {
    pub(crate) slots: Vec<Buffer<E>>,
    scratch: Scratch,
}

/// Buffers that are not in use.
#[derive(Debug)]
pub(crate) struct Workspaces<E>(Mutex<Vec<Workspace<E>>>);

impl<E: Compute> Workspaces<E> {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// Lends buffers for a group of images; `None` if there is no memory for them.
    pub(crate) fn with<T>(&self, program: &Program<E>, f: impl FnOnce(&mut Workspace<E>) -> T) -> Option<T> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut workspace = match kept {
            Some(workspace) => workspace,
            None => Workspace {
                slots: program.slots.iter().map(|length| Buffer::try_zeros(*length)).collect::<Option<_>>()?,
                scratch: Scratch::default(),
            },
        };
        let result = f(&mut workspace);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(workspace);
        Some(result)
    }
}

impl<E: Compute> Program<E> {
    /// Embeds at most one group of images.
    pub(crate) fn run(
        &self,
        level: Level,
        norms: &Norms,
        workspace: &mut Workspace<E>,
        images: &[f32],
        rows: &mut [f32],
    ) {
        let count = images.len() / (self.image.layout.pixels() * self.image.layout.channels).max(1);
        self.fill(level, workspace, images);
        for step in &self.steps {
            step.run(level, norms, workspace, count);
        }
        let Map { slot, layout } = self.result;
        emit(level, (workspace.slots[slot].as_slice(), layout), rows);
    }

    /// Copies images, `[n, channels, height, width]`, into their buffer.
    pub(crate) fn fill(&self, level: Level, workspace: &mut Workspace<E>, images: &[f32]) {
        let layout = self.image.layout;
        let map = workspace.slots[self.image.slot].as_mut_slice();
        let values = layout.pixels() * layout.channels;
        layout.clear_halo(map, images.len() / values.max(1));
        fill(level, images, (map, layout));
    }
}

impl<E: Compute> Step<E> {
    /// Runs the step on the first `images` images of the buffers.
    pub(crate) fn run(&self, level: Level, norms: &Norms, workspace: &mut Workspace<E>, images: usize) {
        let (affine, floor) = match (&self.op, self.norm) {
            (Op::Conv(_) | Op::Rectify, Some(norm)) => (norms.of(norm), 0.0),
            _ => (norms.identity(), f32::NEG_INFINITY),
        };
        self.run_with(level, affine, floor, workspace, images);
    }

    /// Runs a convolution without its norm and rectification.
    pub(crate) fn run_raw(&self, level: Level, norms: &Norms, workspace: &mut Workspace<E>, images: usize) {
        self.run_with(level, norms.identity(), f32::NEG_INFINITY, workspace, images);
    }

    fn run_with(
        &self,
        level: Level,
        affine: (&[f32], &[f32]),
        floor: f32,
        workspace: &mut Workspace<E>,
        images: usize,
    ) {
        let Map { slot, layout } = self.output;
        let Workspace { slots, scratch } = workspace;
        let mut buffer = std::mem::take(&mut slots[slot]);
        let output = buffer.as_mut_slice();
        layout.clear_halo(output, images);
        let input = |index: usize| self.inputs.get(index).map_or(&[][..], |map| slots[map.slot].as_slice());
        let from = self.inputs[0].layout;
        match &self.op {
            Op::Conv(kernel) => {
                let call = ConvCall { input: input(0), skip: input(1), output, affine, floor, images, scratch };
                match &**kernel {
                    Kernel::Direct(kernel, weights) => kernel.run(weights, call),
                    Kernel::Winograd(kernel, weights) => kernel.run(weights, call),
                    Kernel::Tiles(kernel, weights) => kernel.run(weights, call),
                }
            }
            Op::Rectify => rectify(level, (input(0), from), (output, layout), images, Some(affine)),
            Op::Pool { size, stride } => {
                pool(level, (input(0), from), (output, layout), images, (*size, *stride));
            }
        }
        slots[slot] = buffer;
    }
}
