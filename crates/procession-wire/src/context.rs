//! The contexts of the messages that a thread is encoding, or of those that it is decoding.
//!
//! They nest, because a handle's own `serialize` may exchange messages with a server. Few messages
//! have a handle in them, so a context is made when something is put into it; before that only its
//! depth is known.

use std::cell::{Cell, RefCell};
use std::thread::LocalKey;

/// The contexts of one thread.
pub(crate) struct Contexts<C> {
    /// How many messages are being worked on, one inside the other.
    depth: Cell<u32>,
    /// The depth of the topmost context on the stack; zero if there is none.
    topmost: Cell<u32>,
    /// Each with its depth.
    stack: RefCell<Vec<(u32, Box<C>)>>,
}

impl<C: Default> Contexts<C> {
    pub(crate) const fn new() -> Self {
        Self {
            depth: Cell::new(0),
            topmost: Cell::new(0),
            stack: RefCell::new(Vec::new()),
        }
    }

    /// Whether no message is being worked on.
    pub(crate) fn is_idle(&self) -> bool {
        self.depth.get() == 0
    }

    /// Calls `change` with the innermost context; `None` if there is none.
    pub(crate) fn innermost<R>(&self, change: impl FnOnce(&mut C) -> R) -> Option<R> {
        if self.is_idle() {
            return None;
        }
        if self.topmost.get() != self.depth.get() {
            self.push(Box::default());
        }
        self.stack
            .borrow_mut()
            .last_mut()
            .map(|(_, context)| change(context))
    }

    #[inline]
    fn enter(&self, context: &mut Option<Box<C>>) {
        self.depth.set(self.depth.get() + 1);
        if let Some(context) = context.take() {
            self.push(context);
        }
    }

    #[inline]
    fn leave(&self, context: &mut Option<Box<C>>) {
        if self.topmost.get() == self.depth.get() {
            self.pop(context);
        }
        self.depth.set(self.depth.get() - 1);
    }

    #[cold]
    fn push(&self, context: Box<C>) {
        self.topmost.set(self.depth.get());
        let mut stack = self.stack.borrow_mut();
        stack.push((self.depth.get(), context));
    }

    #[cold]
    fn pop(&self, context: &mut Option<Box<C>>) {
        let mut stack = self.stack.borrow_mut();
        *context = stack.pop().map(|(_, context)| context);
        let below = stack.last().map_or(0, |&(depth, _)| depth);
        self.topmost.set(below);
    }
}

/// Runs `work` with `context` as this thread's innermost one, and gives it back.
#[inline]
pub(crate) fn within<C: Default + 'static, R>(
    contexts: &'static LocalKey<Contexts<C>>,
    context: &mut Option<Box<C>>,
    work: impl FnOnce() -> R,
) -> R {
    contexts.with(|contexts| contexts.enter(context));
    let _leave = Leave { contexts, context };
    work()
}

/// Leaves the context, also when the user's code panics.
struct Leave<'a, C: Default + 'static> {
    contexts: &'static LocalKey<Contexts<C>>,
    context: &'a mut Option<Box<C>>,
}

impl<C: Default + 'static> Drop for Leave<'_, C> {
    #[inline]
    fn drop(&mut self) {
        self.contexts.with(|contexts| contexts.leave(self.context));
    }
}
