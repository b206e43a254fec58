//! Statistics and heads as safetensors with a manifest.

use crate::gram::triangle;
use crate::statistics::Arithmetic;
use crate::sums::{ClassSums, Number, Sums};
use crate::{FixedPoint, HeadError, LinearHead, Statistics};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// Key of the manifest in the file's metadata.
const KEY: &str = "dpnas";
/// Most features of a file; the number of products of two must not overflow.
const MOST_FEATURES: usize = 1 << 24;
/// Version of the format.
const FORMAT: u32 = 1;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Manifest {
    kind: Kind,
    format: u32,
    features: usize,
    #[serde(default)]
    clipped: u64,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    origin: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    ExactStatistics,
    FloatStatistics,
    LinearHead,
}

/// Number types of tensors.
trait Stored: Number {
    const DTYPE: Dtype;
    /// Largest magnitude of a value.
    const LARGEST: f64;
    fn to_bytes(self) -> [u8; 8];
    fn from_bytes(bytes: [u8; 8]) -> Self;
}

impl Stored for i64 {
    const DTYPE: Dtype = Dtype::I64;
    const LARGEST: f64 = crate::fixed_point::LARGEST as f64;
    fn to_bytes(self) -> [u8; 8] {
        self.to_le_bytes()
    }
    fn from_bytes(bytes: [u8; 8]) -> Self {
        Self::from_le_bytes(bytes)
    }
}

impl Stored for f64 {
    const DTYPE: Dtype = Dtype::F64;
    const LARGEST: f64 = f32::MAX as f64;
    fn to_bytes(self) -> [u8; 8] {
        self.to_le_bytes()
    }
    fn from_bytes(bytes: [u8; 8]) -> Self {
        Self::from_le_bytes(bytes)
    }
}

type Tensors = Vec<(&'static str, Dtype, Vec<usize>, Vec<u8>)>;

impl Statistics {
    /// The statistics as a safetensors file: tensors `classes`, `counts`, `sums` (classes × features), `gram` (the lower
    /// triangle, row by row) and, if exact, `exponents`. Equal statistics have equal bytes.
    ///
    /// # Errors
    /// [`HeadError::Format`] if the sizes do not fit the format.
    pub fn to_bytes(&self) -> Result<Vec<u8>, HeadError> {
        let (kind, tensors) = match &self.sums {
            Arithmetic::Exact(grid, sums) => {
                let mut tensors = tensors(sums, self.features());
                let exponents = grid.exponents().iter().flat_map(|exponent| exponent.to_le_bytes()).collect();
                tensors.push(("exponents", Dtype::I8, vec![self.features()], exponents));
                (Kind::ExactStatistics, tensors)
            }
            Arithmetic::Float(sums) => (Kind::FloatStatistics, tensors(sums, self.features())),
        };
        let (features, origin) = (self.features(), self.origin().to_owned());
        write(&Manifest { kind, format: FORMAT, features, clipped: self.clipped(), origin }, &tensors)
    }

    /// Reads statistics that [`to_bytes`](Self::to_bytes) wrote.
    ///
    /// # Errors
    /// [`HeadError::Format`] with what is wrong.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, HeadError> {
        let (manifest, file) = read(bytes)?;
        let features = manifest.features;
        let sums = match manifest.kind {
            Kind::ExactStatistics => {
                let exponents = tensor(&file, "exponents", Dtype::I8, &[features])?;
                let grid = FixedPoint::from_exponents(exponents.iter().map(|&byte| byte as i8).collect());
                if grid.exponents().iter().any(|exponent| exponent.unsigned_abs() > 126) {
                    return Err(HeadError::format("an exponent is not from -126 to 126"));
                }
                Arithmetic::Exact(grid, sums(&file, features)?)
            }
            Kind::FloatStatistics => Arithmetic::Float(sums(&file, features)?),
            Kind::LinearHead => return Err(HeadError::format("it holds a head, not statistics")),
        };
        Ok(Self::from_parts(features, sums, manifest.clipped).with_origin(manifest.origin))
    }
}

impl LinearHead {
    /// The head as a safetensors file: tensors `classes`, `weights` (classes × features) and `biases`. Equal heads have
    /// equal bytes.
    ///
    /// # Errors
    /// [`HeadError::Format`] if the sizes do not fit the format.
    pub fn to_bytes(&self) -> Result<Vec<u8>, HeadError> {
        let (kind, origin) = (Kind::LinearHead, String::new());
        let manifest = Manifest { kind, format: FORMAT, features: self.features, clipped: 0, origin };
        let classes = self.classes.len();
        let tensors = vec![
            ("classes", Dtype::U32, vec![classes], self.classes.iter().flat_map(|class| class.to_le_bytes()).collect()),
            ("weights", Dtype::F64, vec![classes, self.features], to_bytes(&self.weights)),
            ("biases", Dtype::F64, vec![classes], to_bytes(&self.biases)),
        ];
        write(&manifest, &tensors)
    }

    /// Reads a head that [`to_bytes`](Self::to_bytes) wrote.
    ///
    /// # Errors
    /// [`HeadError::Format`] with what is wrong.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, HeadError> {
        let (manifest, file) = read(bytes)?;
        if manifest.kind != Kind::LinearHead {
            return Err(HeadError::format("it holds statistics, not a head"));
        }
        let classes = classes(&file)?;
        let shape = [classes.len(), manifest.features];
        let weights = numbers::<f64>(tensor(&file, "weights", Dtype::F64, &shape)?);
        let biases = numbers::<f64>(tensor(&file, "biases", Dtype::F64, &shape[..1])?);
        if weights.iter().chain(&biases).any(|weight| !weight.is_finite()) {
            return Err(HeadError::format("a weight is not finite"));
        }
        Ok(Self { features: manifest.features, classes, weights, biases })
    }
}

fn to_bytes<N: Stored>(numbers: &[N]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_bytes()).collect()
}

fn numbers<N: Stored>(bytes: &[u8]) -> Vec<N> {
    bytes.as_chunks().0.iter().map(|&bytes| N::from_bytes(bytes)).collect()
}

fn tensors<N: Stored>(sums: &Sums<N>, features: usize) -> Tensors {
    let classes = sums.classes.len();
    let of_classes = sums.classes.values();
    vec![
        ("classes", Dtype::U32, vec![classes], sums.classes.keys().flat_map(|class| class.to_le_bytes()).collect()),
        ("counts", Dtype::U64, vec![classes], of_classes.clone().flat_map(|class| class.count.to_le_bytes()).collect()),
        ("sums", N::DTYPE, vec![classes, features], of_classes.flat_map(|class| to_bytes(&class.sum)).collect()),
        ("gram", N::DTYPE, vec![sums.gram.len()], to_bytes(&sums.gram)),
    ]
}

fn sums<N: Stored>(file: &SafeTensors<'_>, features: usize) -> Result<Sums<N>, HeadError> {
    let classes = classes(file)?;
    let counts = tensor(file, "counts", Dtype::U64, &[classes.len()])?.as_chunks().0;
    let sums = numbers::<N>(tensor(file, "sums", N::DTYPE, &[classes.len(), features])?);
    let gram = numbers::<N>(tensor(file, "gram", N::DTYPE, &[triangle(features)])?);
    if sums.iter().chain(&gram).any(|sum| !sum.to_f64().is_finite()) {
        return Err(HeadError::format("a sum is not finite"));
    }
    let of_class = |((class, &count), sum): ((u32, &[u8; 8]), &[N])| {
        (class, ClassSums { count: u64::from_le_bytes(count), sum: sum.to_vec() })
    };
    let classes: BTreeMap<_, _> =
        classes.into_iter().zip(counts).zip(sums.chunks_exact(features)).map(of_class).collect();
    let rows = classes.values().try_fold(0u64, |rows, class| rows.checked_add(class.count));
    if classes.values().any(|class| class.count == 0) || rows.is_none_or(|rows| rows > Statistics::MOST_ROWS) {
        return Err(HeadError::format("a class has no rows, or there are too many"));
    }
    // Values are within 15 bits, so sums that are larger than their number of rows allows would overflow later.
    let rows = rows.unwrap_or_default() as f64;
    let too_large = |sum: f64, count: f64| sum.abs() > count * N::LARGEST;
    let wrong_sum = |class: &ClassSums<N>| class.sum.iter().any(|sum| too_large(sum.to_f64(), class.count as f64));
    let wrong_square = (0..features).any(|i| gram[triangle(i) + i].to_f64() < 0.0);
    if classes.values().any(wrong_sum)
        || wrong_square
        || gram.iter().any(|sum| too_large(sum.to_f64() / N::LARGEST, rows))
    {
        return Err(HeadError::format("a sum is not one of that many rows"));
    }
    Ok(Sums::from_parts(classes, gram, features))
}

fn classes(file: &SafeTensors<'_>) -> Result<Vec<u32>, HeadError> {
    let count = file.tensor("classes").map_err(HeadError::format)?.shape().iter().product();
    let bytes = tensor(file, "classes", Dtype::U32, &[count])?;
    let classes: Vec<u32> = bytes.as_chunks().0.iter().map(|&bytes| u32::from_le_bytes(bytes)).collect();
    if classes.is_sorted_by(|a, b| a < b) { Ok(classes) } else { Err(HeadError::format("the classes do not ascend")) }
}

fn tensor<'a>(file: &SafeTensors<'a>, name: &str, dtype: Dtype, shape: &[usize]) -> Result<&'a [u8], HeadError> {
    let view = file.tensor(name).map_err(HeadError::format)?;
    if view.dtype() != dtype || view.shape() != shape {
        let found = format!("tensor `{name}` is {:?} of {:?}", view.dtype(), view.shape());
        return Err(HeadError::format(format!("{found}, not {dtype:?} of {shape:?}")));
    }
    Ok(view.data())
}

fn write(manifest: &Manifest, tensors: &Tensors) -> Result<Vec<u8>, HeadError> {
    let mut views = Vec::new();
    for (name, dtype, shape, data) in tensors {
        views.push((*name, TensorView::new(*dtype, shape.clone(), data).map_err(HeadError::format)?));
    }
    // One entry, since the order of several would change from file to file.
    let text = serde_json::to_string(manifest).map_err(HeadError::format)?;
    safetensors::serialize(views, Some(HashMap::from([(KEY.to_owned(), text)]))).map_err(HeadError::format)
}

fn read(bytes: &[u8]) -> Result<(Manifest, SafeTensors<'_>), HeadError> {
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(HeadError::format)?;
    let text = metadata.metadata().as_ref().and_then(|metadata| metadata.get(KEY));
    let text = text.ok_or_else(|| HeadError::format(format!("the metadata has no `{KEY}`")))?;
    let manifest: Manifest = serde_json::from_str(text).map_err(HeadError::format)?;
    if manifest.format != FORMAT || !(1..=MOST_FEATURES).contains(&manifest.features) {
        return Err(HeadError::format(format!("format {} with {} features", manifest.format, manifest.features)));
    }
    Ok((manifest, SafeTensors::deserialize(bytes).map_err(HeadError::format)?))
}
