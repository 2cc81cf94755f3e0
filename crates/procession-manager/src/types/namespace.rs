//! Values by name.

use crate::error::ManagerError;
use crate::object::{Object, join};
use indexmap::IndexMap;
use procession_macros::shared;

/// The namespace in the server.
pub(crate) struct HostedNamespace {
    values: IndexMap<String, Object>,
}

impl HostedNamespace {
    pub(super) fn new() -> Self {
        Self {
            values: IndexMap::new(),
        }
    }
}

/// Values by name, of whatever type, that live in a manager's server.
///
/// Names that begin with an underscore are left out of its text.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), procession_manager::ManagerError> {
/// # procession_process::init();
/// let manager = procession_manager::Manager::start()?;
/// let namespace = manager.namespace()?;
/// namespace.set("x", 10)?;
/// namespace.set("y", "hello")?;
/// namespace.set("_z", 12.3)?;
/// assert_eq!(namespace.get("x")?, Some(10.into()));
/// assert_eq!(namespace.repr()?, "Namespace(x=10, y='hello')");
/// # Ok(())
/// # }
/// ```
#[shared(proxy = "Namespace", crate = "crate")]
impl HostedNamespace {
    /// Sets the value of that name, and returns the one before.
    pub fn set(&mut self, name: &str, value: impl Into<Object>) -> Option<Object> {
        self.values.insert(name.to_owned(), value.into())
    }

    /// Sets several values, in one step.
    pub fn update(&mut self, values: impl IntoIterator<Item = (String, Object)>) {
        self.values.extend(values);
    }

    /// Returns whether there is a value of that name.
    pub fn contains(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// Returns a copy of the value of that name, if there is one.
    pub fn get(&self, name: &str) -> Option<Object> {
        self.values.get(name).cloned()
    }

    /// Takes the value of that name out, if there is one.
    pub fn delete(&mut self, name: &str) -> Option<Object> {
        self.values.shift_remove(name)
    }

    /// Returns all names.
    pub fn names(&self) -> Vec<String> {
        self.values.keys().cloned().collect()
    }

    /// Returns a copy of all values, with their names.
    pub fn copy(&self) -> IndexMap<String, Object> {
        self.values.clone()
    }
}

impl Namespace {
    /// Returns the text of the namespace, as Python writes it.
    ///
    /// # Errors
    ///
    /// [`ManagerError`].
    ///
    /// # When the other side is gone
    ///
    /// [`ManagerError::Gone`].
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), procession_manager::ManagerError> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let namespace = manager.namespace()?;
    /// namespace.set("x", 1)?;
    /// namespace.set("_y", 2)?;
    /// assert_eq!(namespace.repr()?, "Namespace(x=1)");
    /// # Ok(())
    /// # }
    /// ```
    pub fn repr(&self) -> Result<String, ManagerError> {
        let values = self.copy()?;
        let shown = values.iter().filter(|(name, _)| !name.starts_with('_'));
        let pairs = shown.map(|(name, value)| format!("{name}={value}"));
        Ok(format!("Namespace({})", join(pairs)))
    }
}
