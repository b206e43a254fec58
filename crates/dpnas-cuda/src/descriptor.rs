//! Descriptors of cuDNN's graph interface, which free themselves.

use crate::CudaError;
use cudarc::cudnn::sys::{
    self, cudnnBackendAttributeName_t as Attribute, cudnnBackendAttributeType_t as Type, cudnnBackendDescriptor_t,
    cudnnBackendDescriptorType_t as Kind, cudnnStatus_t as Status,
};
use std::ffi::c_void;

/// A type of attributes, and its name in cuDNN.
///
/// # Safety
/// cuDNN reads and writes values of `KIND` as this type.
#[allow(unsafe_code, reason = "cuDNN takes addresses of values")]
pub(crate) unsafe trait Value: Copy {
    const KIND: Type;
}

macro_rules! values {
    ($($value:ty: $kind:ident,)*) => {
        $(
            #[allow(unsafe_code, reason = "cuDNN takes addresses of values")]
            // SAFETY: the table of types in cuDNN's documentation of its graph interface.
            unsafe impl Value for $value {
                const KIND: Type = Type::$kind;
            }
        )*
    };
}

values! {
    sys::cudnnHandle_t: CUDNN_TYPE_HANDLE,
    cudnnBackendDescriptor_t: CUDNN_TYPE_BACKEND_DESCRIPTOR,
    sys::cudnnDataType_t: CUDNN_TYPE_DATA_TYPE,
    sys::cudnnConvolutionMode_t: CUDNN_TYPE_CONVOLUTION_MODE,
    sys::cudnnPointwiseMode_t: CUDNN_TYPE_POINTWISE_MODE,
    sys::cudnnBackendHeurMode_t: CUDNN_TYPE_HEUR_MODE,
    // A device pointer.
    u64: CUDNN_TYPE_VOID_PTR,
    i64: CUDNN_TYPE_INT64,
    f32: CUDNN_TYPE_FLOAT,
    bool: CUDNN_TYPE_BOOLEAN,
    u8: CUDNN_TYPE_CHAR,
    // As its number, because a newer cuDNN may have notes that the enumeration lacks.
    u32: CUDNN_TYPE_BEHAVIOR_NOTE,
}

#[derive(Debug)]
pub(crate) struct Descriptor(pub(crate) cudnnBackendDescriptor_t);

#[allow(unsafe_code, reason = "a descriptor is a pointer")]
// SAFETY: cuDNN lets any thread read or destroy a finished descriptor, and nothing changes one; `Dnn` runs plans under the
// handle's lock.
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

    pub(crate) fn set<T: Value>(&mut self, attribute: Attribute, values: &[T]) -> Result<(), Status> {
        // SAFETY: the descriptor is valid, and `values` has as many elements of the named type as it says.
        done(unsafe {
            sys::cudnnBackendSetAttribute(
                self.0,
                attribute,
                T::KIND,
                values.len() as i64,
                values.as_ptr().cast::<c_void>(),
            )
        })
    }

    pub(crate) fn refer(&mut self, attribute: Attribute, other: &Self) -> Result<(), Status> {
        self.set(attribute, &[other.0])
    }

    /// Reads at most `values.len()` elements of an attribute, and returns their number.
    pub(crate) fn get<T: Value>(&self, attribute: Attribute, values: &mut [T]) -> Result<usize, Status> {
        let mut found = 0;
        // SAFETY: the descriptor is valid, and `values` has room for as many elements of the named type as it says.
        done(unsafe {
            let room = values.len() as i64;
            sys::cudnnBackendGetAttribute(
                self.0,
                attribute,
                T::KIND,
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
