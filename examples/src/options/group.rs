//! A group of options, written down once.

/// A value of an option, and the type of its flag on the command line.
///
/// An option without a default, `Option<T>`, has a flag for `T`.
pub trait Setting {
    /// The type of the flag's value.
    type Flag;
}

macro_rules! settings {
    ($($type:ty => $flag:ty),* $(,)?) => {$(
        impl Setting for $type {
            type Flag = $flag;
        }
    )*};
}

settings! {
    bool => bool, u32 => u32, u64 => u64, usize => usize, f64 => f64, String => String,
    Option<u32> => u32, Option<u64> => u64, Option<usize> => usize, Option<f64> => f64, Option<String> => String,
}

/// Makes a group: a struct of values for TOML files, with defaults, and a struct of flags.
///
/// Each option has its documentation, which is also the help of its flag, arguments for clap, a type with an
/// implementation of [`Setting`], and its default. Its name with hyphens is both the flag and the key of the file.
macro_rules! option_group {
    (
        $(#[doc = $about:literal])*
        $options:ident, $flags:ident, $heading:literal;
        $(
            $(#[doc = $help:literal])*
            #[arg($($arg:tt)*)]
            $name:ident: $type:ty = $default:expr;
        )*
    ) => {
        $(#[doc = $about])*
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub struct $options {
            $(
                $(#[doc = $help])*
                #[serde(skip_serializing_if = "crate::options::group::Unset::is_unset")]
                pub $name: $type,
            )*
        }

        impl Default for $options {
            fn default() -> Self {
                Self { $($name: $default),* }
            }
        }

        #[doc = concat!("The flags of [`", stringify!($options), "`]; others come from a file or the defaults.")]
        #[derive(clap::Args, Clone, Debug, Default, serde::Serialize)]
        #[serde(rename_all = "kebab-case")]
        #[command(next_help_heading = $heading)]
        pub struct $flags {
            $(
                $(#[doc = $help])*
                #[arg(long, $($arg)*)]
                #[serde(skip_serializing_if = "Option::is_none")]
                $name: Option<<$type as crate::options::group::Setting>::Flag>,
            )*
        }
    };
}

pub(crate) use option_group;

/// Whether an option has no value; files leave it out.
pub(crate) trait Unset {
    fn is_unset(&self) -> bool {
        false
    }
}

impl<T: Unset> Unset for Option<T> {
    fn is_unset(&self) -> bool {
        self.is_none()
    }
}

impl Unset for bool {}
impl Unset for u32 {}
impl Unset for u64 {}
impl Unset for usize {}
impl Unset for f64 {}
impl Unset for String {}
