//! A net on a known input: checked shapes and cost, before anything runs.

use crate::stage::{Stage, map_bytes, sum};
use crate::{ImageShape, Layer, Limits, Net, PlanError, Rejection, Verdict};

/// Checked shapes and cost of a net on images of one shape.
///
/// Every number is exact: a net whose numbers do not fit is refused by [`Net::plan`].
///
/// ```
/// use dpnas_grammar::{ImageShape, Limits, Net};
///
/// let net: Net = "[C(32,5,1,2,1), P(4,4,0,0), C(512,3,1,0,1), SM(10)]".parse()?;
/// let plan = net.plan(ImageShape::square(1, 28))?;
/// assert_eq!(plan.output().to_string(), "512x5x5");
/// assert_eq!(plan.features(), 12_800);
/// assert_eq!(plan.verdict(&Limits::paper()).to_string(), "accepted");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Source
/// SPEC §3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    net: Net,
    input: ImageShape,
    stages: Vec<Stage>,
    features: u64,
    multiply_adds: u64,
    parameters: u64,
    classifier_parameters: u64,
    peak_activation_bytes: u64,
}

impl Net {
    /// The net's shapes and cost on images of shape `input`.
    ///
    /// # Errors
    /// If the input is empty or not square, a window is larger than its map, or a number of the plan does not fit its
    /// type.
    pub fn plan(&self, input: ImageShape) -> Result<Plan, PlanError> {
        Plan::new(self, input)
    }
}

impl Plan {
    fn new(net: &Net, input: ImageShape) -> Result<Self, PlanError> {
        if input.elements() == Some(0) {
            return Err(PlanError::EmptyInput { input });
        }
        if input.height != input.width {
            return Err(PlanError::NotSquare { input });
        }
        let mut stages: Vec<Stage> = Vec::with_capacity(net.encoder().len());
        let (mut map, mut multiply_adds, mut parameters) = (input, 0, 0);
        for (index, &layer) in net.encoder().iter().enumerate() {
            let too_large = |quantity| PlanError::TooLarge { index, layer, map, quantity };
            let stage = Stage::plan(index, layer, map)?;
            multiply_adds =
                sum(Some(multiply_adds), Some(stage.multiply_adds)).ok_or_else(|| too_large("multiply-adds so far"))?;
            parameters = sum(Some(parameters), Some(stage.parameters)).ok_or_else(|| too_large("weights so far"))?;
            map = stage.output;
            stages.push(stage);
        }
        let (features, classifier_parameters) = classifier(net, map)?;
        let peak = stages.iter().map(|stage| stage.activation_bytes).max().or_else(|| map_bytes(input));
        let peak_activation_bytes = peak.ok_or_else(|| classifier_error(net, map, "activation bytes"))?;
        let net = net.clone();
        Ok(Self {
            net,
            input,
            stages,
            features,
            multiply_adds,
            parameters,
            classifier_parameters,
            peak_activation_bytes,
        })
    }

    /// The net that was planned.
    pub fn net(&self) -> &Net {
        &self.net
    }

    /// The shape of an image.
    pub fn input(&self) -> ImageShape {
        self.input
    }

    /// One stage for each encoder layer, in order.
    pub fn stages(&self) -> &[Stage] {
        &self.stages
    }

    /// The map after the last encoder layer; the input if there is none.
    pub fn output(&self) -> ImageShape {
        self.stages.last().map_or(self.input, |stage| stage.output)
    }

    /// Inputs of the first classifier layer: channels × height × width of the output.
    pub fn features(&self) -> u64 {
        self.features
    }

    /// Multiply-adds of the encoder's convolutions for one image; the classifier does not count.
    pub fn multiply_adds(&self) -> u64 {
        self.multiply_adds
    }

    /// Weights of the encoder's convolutions.
    pub fn parameters(&self) -> u64 {
        self.parameters
    }

    /// Weights of the classifier's matrices, `FC` and `SM`; there are no biases, and scale and shift of
    /// normalisations do not count.
    pub fn classifier_parameters(&self) -> u64 {
        self.classifier_parameters
    }

    /// Peak bytes of the encoder's `f32` maps for one image: the largest [`Stage::activation_bytes`], or the input's bytes
    /// without stages.
    pub fn peak_activation_bytes(&self) -> u64 {
        self.peak_activation_bytes
    }

    /// Whether the plan stays within `limits`.
    pub fn verdict(&self, limits: &Limits) -> Verdict {
        let size = self.output().height;
        if size > limits.max_final_map {
            Verdict::Rejected(Rejection::FinalMap { size, limit: limits.max_final_map })
        } else if self.features > limits.max_features {
            Verdict::Rejected(Rejection::Features { features: self.features, limit: limits.max_features })
        } else {
            Verdict::Accepted
        }
    }
}

/// Features into the classifier, and the weights of its matrices.
fn classifier(net: &Net, map: ImageShape) -> Result<(u64, u64), PlanError> {
    let features = map.elements().ok_or_else(|| classifier_error(net, map, "features"))?;
    let (mut inputs, mut parameters) = (features, Some(0));
    for outputs in net.linear_units().chain([net.classes()]).map(u64::from) {
        parameters = sum(parameters, inputs.checked_mul(outputs));
        inputs = outputs;
    }
    Ok((features, parameters.ok_or_else(|| classifier_error(net, map, "classifier weights"))?))
}

/// A number of the classifier does not fit; names its first layer.
fn classifier_error(net: &Net, map: ImageShape, quantity: &'static str) -> PlanError {
    let index = net.encoder().len();
    let layer = net.layers().get(index).copied().unwrap_or(Layer::Softmax { classes: net.classes() });
    PlanError::TooLarge { index, layer, map, quantity }
}
