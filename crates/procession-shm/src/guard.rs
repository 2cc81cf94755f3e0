//! The guards of a value or an array.

use crate::poison::Repair;
use crate::{Held, Reading};
use procession_os::own_pid;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

/// The process that a guard was made in, and that alone has what it guards.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MadeIn(u32);

impl MadeIn {
    /// Returns this one.
    #[inline]
    pub(crate) fn here() -> Self {
        Self(own_pid())
    }

    /// Panics in a copy of that process, which has the guard's bytes and not the lock.
    #[inline]
    pub(crate) fn check(self) {
        if self.0 != own_pid() {
            elsewhere();
        }
    }
}

#[cold]
fn elsewhere() -> ! {
    panic!(
        "this guard is of the process that this one was forked from, which may be changing the data: lock it here"
    )
}

/// The exclusive use of a shared value or array, for as long as it lives.
///
/// No other thread and no other process gets at the data meanwhile, through no method. Dropping
/// it lets them; dropping it in a panic poisons the data.
///
/// A process that is forked meanwhile has a copy of the guard, which guards nothing there: using it panics, and
/// dropping it does nothing.
///
/// It cannot be sent to another thread:
///
/// ```compile_fail,E0277
/// fn send(guard: procession_shm::Guard<'static, u8>) {
///     std::thread::spawn(move || drop(guard));
/// }
/// ```
#[must_use = "the lock is released when this is dropped"]
pub struct Guard<'a, T: ?Sized> {
    data: NonNull<T>,
    held: Held<'a>,
    made_in: MadeIn,
    _data: PhantomData<&'a mut T>,
}

impl<'a, T: ?Sized> Guard<'a, T> {
    /// # Safety
    ///
    /// `data` must be the initialised payload of the segment that is held, or a part of it.
    pub(crate) unsafe fn new(data: NonNull<T>, held: Held<'a>) -> Self {
        Self {
            data,
            held,
            made_in: MadeIn::here(),
            _data: PhantomData,
        }
    }
}

impl<T: ?Sized> Deref for Guard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        self.made_in.check();
        // SAFETY: the data is valid as long as the segment, which is borrowed; the lock keeps
        // everybody else away from it, and is this process's.
        unsafe { self.data.as_ref() }
    }
}

impl<T: ?Sized> DerefMut for Guard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        self.made_in.check();
        // SAFETY: as above, and the guard is borrowed mutably.
        unsafe { self.data.as_mut() }
    }
}

impl<T: ?Sized> Repair for Guard<'_, T> {
    fn clear_poison(&self) {
        self.held.clear_poison();
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Guard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// The use of a shared array beside others that read it too, for as long as it lives.
///
/// Nobody writes to the data meanwhile, in no process and through no method. Dropping it lets them.
/// As of a [`Guard`], a forked process has a copy that cannot be used.
///
/// It cannot be sent to another thread:
///
/// ```compile_fail,E0277
/// fn send(guard: procession_shm::ReadGuard<'static, [u8]>) {
///     std::thread::spawn(move || drop(guard));
/// }
/// ```
///
/// and does not write:
///
/// ```compile_fail,E0594
/// fn write(mut guard: procession_shm::ReadGuard<'_, [u8]>) {
///     guard[0] = 1;
/// }
/// ```
#[must_use = "writers are let in when this is dropped"]
pub struct ReadGuard<'a, T: ?Sized> {
    data: NonNull<T>,
    reading: Reading<'a>,
    made_in: MadeIn,
    _data: PhantomData<&'a T>,
}

impl<'a, T: ?Sized> ReadGuard<'a, T> {
    /// # Safety
    ///
    /// `data` must be the initialised payload of the segment that is read, or a part of it.
    pub(crate) unsafe fn new(data: NonNull<T>, reading: Reading<'a>) -> Self {
        Self {
            data,
            reading,
            made_in: MadeIn::here(),
            _data: PhantomData,
        }
    }
}

impl<T: ?Sized> Deref for ReadGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        self.made_in.check();
        // SAFETY: the data is valid as long as the segment, which is borrowed; while it is read,
        // by this process, nobody writes to it.
        unsafe { self.data.as_ref() }
    }
}

impl<T: ?Sized> Repair for ReadGuard<'_, T> {
    fn clear_poison(&self) {
        self.reading.clear_poison();
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for ReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
