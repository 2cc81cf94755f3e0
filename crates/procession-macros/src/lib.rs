//! The attributes of [procession](https://docs.rs/procession): [`main`], [`shared`] and [`plain`].
//!
//! Use them through the facade, as `#[procession::main]` and so on; the code that they generate names
//! the facade's items.
#![doc(html_root_url = "https://docs.rs/procession-macros/latest")]
#![forbid(unsafe_code)]

mod entry;
mod plain;
mod shared;

use proc_macro::TokenStream;

/// Has `main` begin with a call of `procession::init`, which is what makes it possible to start
/// processes.
///
/// The function stays as it is otherwise: it may return a `Result` or an `ExitCode`.
///
/// # Examples
///
/// ```
/// use procession::Process;
///
/// #[procession::main]
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let process = Process::spawn(|x: u32, y: u32| x + y, (3, 4))?;
///     assert_eq!(process.join()?, 7);
///     Ok(())
/// }
/// ```
///
/// Any other function, an `async` one, or one with arguments does not compile:
///
/// ```compile_fail
/// #[procession::main]
/// fn start() {}
/// # fn main() {}
/// ```
#[proc_macro_attribute]
pub fn main(arguments: TokenStream, item: TokenStream) -> TokenStream {
    complete(entry::expand(&arguments.into(), &item.into()))
}

/// Generates the proxy of a type from the public methods of an `impl` block.
///
/// A manager's server hosts a value of the type, and a proxy calls it from any process. The block
/// itself stays as it is, except that its documentation becomes the proxy's. For `impl Maths` there
/// is then a `MathsProxy` with the same methods.
///
/// # Examples
///
/// ```
/// use procession::Manager;
///
/// struct Maths {
///     offset: i64,
/// }
///
/// #[procession::shared]
/// impl Maths {
///     pub fn new(offset: i64) -> Self {
///         Self { offset }
///     }
///
///     /// Adds two numbers and the offset.
///     pub fn add(&self, x: i64, y: i64) -> i64 {
///         x + y + self.offset
///     }
///
///     pub fn shift(&mut self, by: i64) {
///         self.offset += by;
///     }
/// }
///
/// # fn main() -> Result<(), procession::ManagerError> {
/// # procession::init();
/// let manager = Manager::start()?;
/// let maths = manager.create(Maths::new, (0,))?; // a MathsProxy
/// assert_eq!(maths.add(4, 3)?, 7);
/// maths.shift(1)?;
/// assert_eq!(maths.add(4, 3)?, 8);
/// # Ok(())
/// # }
/// ```
///
/// # What becomes of a method
///
/// | in the block | on the proxy |
/// |---|---|
/// | `pub fn f(&self, ..) -> T`, `pub fn f(&mut self, ..) -> T` | `f(&self, ..) -> Result<T, ManagerError>` |
/// | returns nothing | `Result<(), ManagerError>` |
/// | returns `Result<T, E>` | `Result<Result<T, E>, ManagerError>` |
/// | returns `anyhow::Result<T>`, or a bare `Result<T>` that stands for it | `Result<T, ManagerError>`; the error arrives as `ManagerError::Failed` |
/// | returns `New<T>`, also in an `Option` or a `Result` | the proxy of the `T`, which the server hosts |
/// | returns `impl Iterator<Item = T>` | `Fetched<T>`, whose items come in batches, as they were at the call |
/// | has `#[shared(guard = "g")]` | `Held<T>`; when it is dropped, the method `g` gets the `T` back |
/// | an argument `&str`, `&[T]`, `&T` | the same; it is encoded as it is, without a copy |
/// | an argument `impl Into<T>`, `impl IntoIterator<Item = T>` | the same; a `T`, or a `Vec<T>`, travels |
/// | has type parameters | the same, for programs of the server's executable |
/// | `pub fn f(..) -> Self`, or a `Result` of it | `f(&manager, ..) -> Result<TProxy, ManagerError>`, which hosts what it makes |
/// | documentation, `#[cfg]`, `#[deprecated]` | the same |
/// | other functions without `self`, private methods, constants | nothing |
///
/// The proxy can be cloned, compared (equal is what stands for the same object), sent and printed.
/// Its `as_ref` gives the plain `Proxy`, whose `with` and `call` run functions on the object.
///
/// `pub(crate)` methods and the like keep their visibility on the proxy. Arguments and results are
/// values that serde can carry, proxies and other handles among them. A type with parameters needs
/// the bounds of these values on the block, for example
/// `impl<T: Serialize + DeserializeOwned + Send + 'static>`.
///
/// A method that no proxy can have does not compile, and the error names it and says what to do: one
/// that takes `self` by value or a `&mut` argument, one that returns a reference. Put it into another
/// `impl` block.
///
/// ```
/// use procession::Manager;
/// use procession::manager::New;
///
/// struct Words(Vec<String>);
///
/// #[procession::shared(lend(0: Vec<String>))]
/// impl Words {
///     pub fn new() -> Self {
///         Self(Vec::new())
///     }
///
///     pub fn add(&mut self, word: impl Into<String>) {
///         self.0.push(word.into());
///     }
///
///     pub fn all(&self) -> impl Iterator<Item = String> {
///         self.0.iter().cloned()
///     }
///
///     pub fn split(&mut self, at: usize) -> New<Self> {
///         New(Self(self.0.split_off(at)))
///     }
/// }
///
/// trait Count {
///     fn count(&self, letter: char) -> anyhow::Result<usize>;
/// }
///
/// #[procession::shared]
/// impl Count for Words {
///     fn count(&self, letter: char) -> anyhow::Result<usize> {
///         Ok(self.0.iter().filter(|word| word.contains(letter)).count())
///     }
/// }
///
/// # fn main() -> anyhow::Result<()> {
/// # procession::init();
/// let manager = Manager::start()?;
/// let words = WordsProxy::new(&manager)?;
/// words.add("one")?;
/// words.add("two")?;
/// assert_eq!(words.count('o')?, 2); // by the trait
/// assert_eq!(words.with(|words| words.concat())?, "onetwo"); // the field that is lent
/// let rest = words.split(1)?; // another `WordsProxy`
/// assert_eq!(rest.all()?.collect::<Result<Vec<_>, _>>()?, ["two"]);
/// # Ok(())
/// # }
/// ```
///
/// ```compile_fail
/// struct Words(Vec<String>);
///
/// #[procession::shared]
/// impl Words {
///     // error: `first` returns a reference ...
///     pub fn first(&self) -> &str {
///         &self.0[0]
///     }
/// }
/// # fn main() {}
/// ```
///
/// # Options
///
/// - `#[shared(concurrent)]`: the object is hosted without a lock, so that its methods run at the
///   same time for several callers and may block. All of them take `&self`, and the type is
///   `Sync`.
/// - `#[shared(extend)]`: the proxy is there, by another block of the same type, and gets the methods
///   of this one too, for programs of the server's executable.
/// - `#[shared(lend(field: Type))]`: the proxy has `with` and `call`, which run functions on the
///   field in the server.
/// - `#[shared] impl Trait for T`: the proxy implements the trait too. Each method returns a `Result`
///   whose error can be made from `ManagerError`, for when the server is gone.
/// - `#[shared(local(method, ..))]`: programs with another executable, which know an object by name,
///   cannot call these methods, and what they ask of the type's parameters is not asked of a type that
///   is registered under a name.
/// - `#[shared(proxy = "Name")]`: the name of the proxy.
/// - `#[shared(crate = "path")]`: where the manager's items are, `::procession::manager` if not
///   given. Programs that use the manager's crate alone say `"procession_manager"`.
#[proc_macro_attribute]
pub fn shared(arguments: TokenStream, item: TokenStream) -> TokenStream {
    complete(shared::expand(arguments.into(), &item.into()))
}

/// Makes a struct or an enum plain data, which [`Value`], [`Array`] and their unlocked forms can hold.
///
/// In a struct these are numbers, arrays of them, `bool`, `char`, and structs and enums of such
/// data, without gaps between the fields. The struct is given C's layout, unless it has a `repr` of
/// its own, and derives `Clone`, `Copy`, `Pod` and `Zeroable`. Other derives stand below this
/// attribute, which sees what is there already.
///
/// Not all bytes are a `bool`, a `char`, a `NonZero` integer or a variant of an enum, so what another
/// process wrote is looked at before there is a value of it. A struct with such a field is
/// `NoUninit` and `CheckedBitPattern` instead. For a field of the user's own type of that kind the
/// attribute is to be told: `#[procession::plain(checked)]`. An enum, without fields in its variants,
/// is given one byte, unless it has a `repr`, and is always of that kind.
///
/// [`Value`]: ../procession/struct.Value.html
/// [`Array`]: ../procession/struct.Array.html
///
/// # Examples
///
/// ```
/// use procession::{Array, Value};
///
/// #[procession::plain]
/// #[derive(Debug, PartialEq)]
/// struct Point {
///     x: f64,
///     y: f64,
/// }
///
/// # fn main() -> Result<(), procession::ShmError> {
/// let point = Value::new(Point { x: 1.0, y: 2.0 })?;
/// point.update(|point| point.y *= 2.0);
/// assert_eq!(point.get(), Point { x: 1.0, y: 4.0 });
///
/// let path = Array::<Point>::zeroed(1000)?;
/// assert_eq!(path.get(7).x, 0.0);
/// # Ok(())
/// # }
/// ```
///
/// What is looked at:
///
/// ```
/// use procession::Value;
///
/// #[procession::plain]
/// #[derive(Debug, PartialEq)]
/// enum State {
///     Idle,
///     Busy,
/// }
///
/// #[procession::plain(checked)]
/// struct Switch {
///     since: u32,
///     label: char,
///     presses: u16,
///     on: bool,
///     state: State,
/// }
///
/// # fn main() -> Result<(), procession::ShmError> {
/// let state = Value::new(State::Idle)?;
/// assert_eq!(state.swap(State::Busy), State::Idle);
///
/// let state = state.get();
/// let switch = Switch { since: 0, label: 'a', presses: 0, on: false, state };
/// let switch = Value::new(switch)?;
/// switch.update(|switch| switch.on = true);
/// assert!(switch.get().on);
/// # Ok(())
/// # }
/// ```
///
/// What is not plain does not compile: references and other addresses,
///
/// ```compile_fail,E0277
/// #[procession::plain]
/// struct Name {
///     text: &'static str,
/// }
/// # fn main() {}
/// ```
///
/// and gaps, which are closed by a field of bytes or by another order:
///
/// ```compile_fail,E0512
/// #[procession::plain]
/// struct Gap {
///     small: u8,
///     large: u64,
/// }
/// # fn main() {}
/// ```
#[proc_macro_attribute]
pub fn plain(arguments: TokenStream, item: TokenStream) -> TokenStream {
    complete(plain::expand(&arguments.into(), &item.into()))
}

/// Turns an error into the code that makes the compiler report it.
fn complete(expanded: syn::Result<proc_macro2::TokenStream>) -> TokenStream {
    expanded
        .unwrap_or_else(|error| error.to_compile_error())
        .into()
}
