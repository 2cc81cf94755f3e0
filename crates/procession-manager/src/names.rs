//! Objects that programs know by name.

use crate::construct::{Constructor, Makes};
use crate::error::ManagerError;
use crate::export::{Exported, Interface, key};
use crate::handle::ManagerHandle;
use crate::protocol::{GET, MAKE};
use crate::remote::Remote;
use crate::route::Target;
use crate::server::names::{
    Export, Get, Make, NameError, Order, Register, RegisterConstructor, Unregister,
};
use crate::shared::Shared;
use procession_call::{Entry, Routine};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Objects by name, for programs that have not been given a proxy, above all those with
/// [another executable](crate#programs-with-another-executable).
impl ManagerHandle {
    /// Keeps an object under a name, from where [`get`](Self::get) returns it to any program.
    ///
    /// It lives until the name is [taken back](Self::unregister), and then as long as any other object.
    ///
    /// # Errors
    ///
    /// [`ManagerError::NameTaken`]; [`ManagerError::Elsewhere`] in a program with another executable, and
    /// if the object is another manager's.
    ///
    /// # When the other side is gone
    ///
    /// [`ManagerError::Gone`].
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_manager::{List, Manager, ManagerError};
    ///
    /// # fn main() -> Result<(), ManagerError> {
    /// # procession_process::init();
    /// let manager = Manager::start()?;
    /// manager.register("primes", &manager.list_from([2, 3, 5])?)?;
    /// let primes: List<i32> = manager.get("primes")?;
    /// assert_eq!(primes.len()?, 3);
    /// # Ok(())
    /// # }
    /// ```
    pub fn register<P: Exported>(&self, name: &str, object: &P) -> Result<(), ManagerError> {
        let remote = object.remote();
        if remote.route().address() != self.address() {
            return Err(ManagerError::Elsewhere(
                "the object is another manager's, and is registered there",
            ));
        }
        let added = self.ask_server::<Register<P>, _, _>(&(name.to_owned(), remote.clone()))?;
        explained(name, added)
    }

    /// Keeps a constructor under a name, with which any program [makes](Self::make) objects.
    ///
    /// # Errors
    ///
    /// As [`register`](Self::register).
    ///
    /// # When the other side is gone
    ///
    /// [`ManagerError::Gone`].
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_manager::{Manager, ManagerError, Proxy};
    ///
    /// # fn main() -> Result<(), ManagerError> {
    /// # procession_process::init();
    /// let manager = Manager::start()?;
    /// manager.register_constructor("zeros", |len: usize| vec![0_u8; len])?;
    /// let zeros: Proxy<Vec<u8>> = manager.make("zeros", (7_usize,))?;
    /// assert_eq!(zeros.with(|zeros| zeros.len())?, 7);
    /// # Ok(())
    /// # }
    /// ```
    pub fn register_constructor<F, A, R, M>(
        &self,
        name: &str,
        construct: F,
    ) -> Result<(), ManagerError>
    where
        F: Constructor<A, R>,
        A: Serialize + DeserializeOwned + 'static,
        R: Makes<M> + 'static,
        M: 'static,
        R::Object: Shared<Access = R::Access>,
        <R::Object as Shared>::Proxy: Exported,
    {
        self.register_tuple(name, construct.with_tuple())
    }

    fn register_tuple<F, A, R, M>(&self, name: &str, construct: F) -> Result<(), ManagerError>
    where
        F: Fn(&mut (), A) -> R + Copy + Send + 'static,
        A: DeserializeOwned,
        R: Makes<M>,
        R::Object: Shared<Access = R::Access>,
        <R::Object as Shared>::Proxy: Exported,
    {
        type Entry<A, R, M, O> = RegisterConstructor<<O as Shared>::Proxy, A, R, M>;
        let name = name.to_owned();
        let routine = Routine::of_function::<Entry<A, R, M, R::Object>, F>(construct)?;
        let added = self.ask_routine(routine, &name)?;
        explained(&name, added)
    }

    /// Has programs with another executable call the methods of a type, of which no object is registered:
    /// they get such objects from the methods of others.
    ///
    /// # Errors
    ///
    /// [`ManagerError::Elsewhere`] in a program with another executable.
    ///
    /// # When the other side is gone
    ///
    /// [`ManagerError::Gone`].
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_manager::{Dict, List, Manager, ManagerError};
    ///
    /// # fn main() -> Result<(), ManagerError> {
    /// # procession_process::init();
    /// let manager = Manager::start()?;
    /// let lists = manager.dict::<String, List<i64>>()?;
    /// manager.register("lists", &lists)?;
    /// manager.export::<List<i64>>()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn export<P: Exported>(&self) -> Result<(), ManagerError> {
        self.ask_server::<Export<P>, _, _>(&())
    }

    /// Takes a name back; returns whether there was something under it.
    ///
    /// Programs that have the object keep it.
    ///
    /// # Errors
    ///
    /// [`ManagerError::Elsewhere`] in a program with another executable.
    ///
    /// # When the other side is gone
    ///
    /// [`ManagerError::Gone`].
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_manager::{Manager, ManagerError, Value};
    ///
    /// # fn main() -> Result<(), ManagerError> {
    /// # procession_process::init();
    /// let manager = Manager::start()?;
    /// manager.register("answer", &manager.value(42)?)?;
    /// let answer: Value<i32> = manager.get("answer")?;
    /// assert!(manager.unregister("answer")?);
    /// assert!(matches!(manager.get::<Value<i32>>("answer"), Err(ManagerError::NoSuchName(_))));
    /// assert_eq!(answer.get()?, 42);
    /// # Ok(())
    /// # }
    /// ```
    pub fn unregister(&self, name: &str) -> Result<bool, ManagerError> {
        self.ask_server::<Unregister, _, _>(&name.to_owned())
    }

    /// Returns the object that is kept under a name.
    ///
    /// The type of the proxy says what this program takes the object for. That is compared with what the
    /// server has: the name of the type, and for each of its methods the name and what its arguments and
    /// its result are made of.
    ///
    /// # Errors
    ///
    /// [`ManagerError::NoSuchName`]; [`ManagerError::Interface`] if the two differ, with the first
    /// difference. The server may have more methods than this program knows.
    ///
    /// # When the other side is gone
    ///
    /// [`ManagerError::Gone`].
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_manager::{List, Manager, ManagerError, Value};
    ///
    /// # fn main() -> Result<(), ManagerError> {
    /// # procession_process::init();
    /// let manager = Manager::start()?;
    /// manager.register("primes", &manager.list_from([2, 3, 5])?)?;
    /// let error = manager.get::<Value<i32>>("primes").unwrap_err();
    /// assert!(matches!(error, ManagerError::Interface { .. }));
    /// # Ok(())
    /// # }
    /// ```
    pub fn get<P: Exported>(&self, name: &str) -> Result<P, ManagerError> {
        let args = (name.to_owned(), Interface::of(&P::export()));
        let found = self.ask_named::<Get, _, _>(GET, &args)?;
        explained::<Remote>(name, found).and_then(P::from_remote)
    }

    /// Calls a constructor that is kept under a name, and returns the proxy of what it makes.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get); [`ManagerError::Call`] if the constructor panicked or returned an error.
    ///
    /// # When the other side is gone
    ///
    /// [`ManagerError::Gone`].
    #[expect(clippy::needless_pass_by_value, reason = "what is sent is given away")]
    pub fn make<P, A>(&self, name: &str, args: A) -> Result<P, ManagerError>
    where
        P: Exported,
        A: Serialize + DeserializeOwned,
    {
        let order = Order {
            name: name.to_owned(),
            expected: Interface::of(&P::export()),
            args: key::<A, ()>(""),
        };
        let server = self.server();
        let target = if server.is_elsewhere() {
            Target::Key(MAKE)
        } else {
            Target::Routine(Routine::of::<Make>()?)
        };
        let made = server.order(target, |encoder| {
            encoder.push(&order)?;
            encoder.push(&args)
        })?;
        explained::<Remote>(name, made).and_then(P::from_remote)
    }

    /// Has the server of this executable do something for itself.
    pub(crate) fn ask_server<E, A, R>(&self, args: &A) -> Result<R, ManagerError>
    where
        E: Entry,
        A: Serialize + DeserializeOwned,
        R: DeserializeOwned,
    {
        self.ask_routine(Routine::of::<E>()?, args)
    }

    /// As [`ask_server`](Self::ask_server), for the entry that `routine` names.
    pub(crate) fn ask_routine<A, R>(&self, routine: Routine, args: &A) -> Result<R, ManagerError>
    where
        A: Serialize + DeserializeOwned,
        R: DeserializeOwned,
    {
        if self.server().is_elsewhere() {
            return Err(ManagerError::Elsewhere(
                "only programs with the executable of the manager's server can say what it has under names",
            ));
        }
        self.server()
            .order(Target::Routine(routine), |encoder| encoder.push(args))
    }

    /// Has the server do something for itself that any program may ask for.
    fn ask_named<E, A, R>(&self, method: u64, args: &A) -> Result<R, ManagerError>
    where
        E: Entry,
        A: Serialize + DeserializeOwned,
        R: DeserializeOwned,
    {
        let target = if self.server().is_elsewhere() {
            Target::Key(method)
        } else {
            Target::Routine(Routine::of::<E>()?)
        };
        self.server().order(target, |encoder| encoder.push(args))
    }
}

fn explained<T>(name: &str, result: Result<T, NameError>) -> Result<T, ManagerError> {
    let name = name.to_owned();
    result.map_err(|error| match error {
        NameError::Unknown => ManagerError::NoSuchName(name),
        NameError::Taken => ManagerError::NameTaken(name),
        NameError::Differs(difference) => ManagerError::Interface { name, difference },
    })
}
