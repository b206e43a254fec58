//! Descriptors of cuDNN's graph interface, which free themselves.

use crate::CudaError;
use cudarc::cudnn::sys::{
    self, cudnnBackendAttributeName_t as Attribute, cudnnBackendAttributeType_t as Type, cudnnBackendDescriptor_t,
    cudnnBackendDescriptorType_t as Kind, cudnnStatus_t as Status,
};
use std::ffi::c_void;

#[derive(Debug)]
pub(crate) struct Descriptor(pub(crate) cudnnBackendDescriptor_t);

#[allow(unsafe_code, reason = "a descriptor is a pointer")]
// SAFETY: a finished descriptor is not changed; `Dnn` uses it under the handle's lock.
unsafe impl Send for Descriptor {}

#[allow(unsafe_code, reason = "a descriptor is a pointer")]
// SAFETY: as above.
unsafe impl Sync for Descriptor {}

#[allow(unsafe_code, reason = "calls of C")]
impl Descriptor {
    pub(crate) fn new(kind: Kind) -> Result<Self, Status> {
        let mut pointer = std::ptr::null_mut();
        // SAFETY: `pointer` is a live variable.
        done(unsafe { sys::cudnnBackendCreateDescriptor(kind, &mut pointer) })?;
        Ok(Self(pointer))
    }

    /// Sets an attribute; `T` is the type that `kind` names.
    pub(crate) fn set<T: Copy>(&mut self, attribute: Attribute, kind: Type, values: &[T]) -> Result<(), Status> {
        // SAFETY: the descriptor is valid, and `values` has as many elements of the named type as it says.
        done(unsafe {
            sys::cudnnBackendSetAttribute(
                self.0,
                attribute,
                kind,
                values.len() as i64,
                values.as_ptr().cast::<c_void>(),
            )
        })
    }

    pub(crate) fn refer(&mut self, attribute: Attribute, other: &Self) -> Result<(), Status> {
        self.set(attribute, Type::CUDNN_TYPE_BACKEND_DESCRIPTOR, &[other.0])
    }

    /// Reads at most `values.len()` elements of an attribute, and returns their number.
    pub(crate) fn get<T: Copy>(&self, attribute: Attribute, kind: Type, values: &mut [T]) -> Result<usize, Status> {
        let mut found = 0;
        // SAFETY: the descriptor is valid, and `values` has room for as many elements of the named type as it says.
        done(unsafe {
            let room = values.len() as i64;
            sys::cudnnBackendGetAttribute(
                self.0,
                attribute,
                kind,
                room,
                &mut found,
                values.as_mut_ptr().cast::<c_void>(),
            )
        })?;
        Ok(usize::try_from(found).unwrap_or(0).min(values.len()))
    }

    pub(crate) fn finish(self) -> Result<Self, Status> {
        // SAFETY: the descriptor is valid.
        done(unsafe { sys::cudnnBackendFinalize(self.0) })?;
        Ok(self)
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        #[allow(unsafe_code, reason = "a call of C")]
        // SAFETY: the descriptor is valid and not used again; what refers to it is dropped before.
        unsafe {
            sys::cudnnBackendDestroyDescriptor(self.0);
        }
    }
}

fn done(status: Status) -> Result<(), Status> {
    if status == Status::CUDNN_STATUS_SUCCESS { Ok(()) } else { Err(status) }
}

pub(crate) fn check(status: Status, what: impl FnOnce() -> String) -> Result<(), CudaError> {
    done(status).map_err(|status| error(status, what()))
}

pub(crate) fn error(status: Status, call: String) -> CudaError {
    if is_out_of_memory(status) {
        CudaError::OutOfMemory { call }
    } else {
        CudaError::Call { call, reason: format!("cuDNN: {status:?}") }
    }
}

/// Whether a status says that host or device have too little memory.
pub(crate) fn is_out_of_memory(status: Status) -> bool {
    matches!(status, Status::CUDNN_STATUS_ALLOC_FAILED | Status::CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED)
}
