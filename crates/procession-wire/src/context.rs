//! The contexts of the messages that a thread is encoding, or of those that it is decoding.
//!
//! They nest, because a handle's own `serialize` may exchange messages with a server. Few messages
//! have a handle in them, so a context is made when something is put into it; before that only its
//! depth is known.

use std::cell::{Cell, RefCell};
use std::thread::LocalKey;

/// Where the contexts of one kind are.
pub(crate) struct Contexts<C: 'static> {
    /// Apart from the stack, because it has nothing to be dropped, and so is reached without a question.
    pub(crate) depths: &'static LocalKey<Depths>,
    pub(crate) stack: &'static LocalKey<Stack<C>>,
}

/// How deep a thread is.
pub(crate) struct Depths {
    /// How many messages are being worked on, one inside the other.
    now: Cell<u32>,
    /// The depth of the topmost context on the stack; zero if there is none.
    topmost: Cell<u32>,
}

/// The contexts of one thread, each with its depth.
pub(crate) type Stack<C> = RefCell<Vec<(u32, Box<C>)>>;

impl Depths {
    pub(crate) const fn new() -> Self {
        Self {
            now: Cell::new(0),
            topmost: Cell::new(0),
        }
    }
}

impl<C: Default> Contexts<C> {
    /// Whether this thread works on no message.
    pub(crate) fn is_idle(&self) -> bool {
        self.depths.with(|depths| depths.now.get()) == 0
    }

    /// Calls `change` with the innermost context; `None` if there is none.
    pub(crate) fn innermost<R>(&self, change: impl FnOnce(&mut C) -> R) -> Option<R> {
        if self.is_idle() {
            return None;
        }
        if self
            .depths
            .with(|depths| depths.topmost.get() != depths.now.get())
        {
            self.push(Box::default());
        }
        let innermost = self.stack.try_with(|stack| {
            let mut stack = stack.borrow_mut();
            let (_, context) = stack.last_mut()?;
            Some(change(context))
        });
        innermost.ok().flatten()
    }

    /// Runs `work` with `context` as this thread's innermost one, and gives it back.
    #[inline]
    pub(crate) fn within<R>(&self, context: &mut Option<Box<C>>, work: impl FnOnce() -> R) -> R {
        self.depths
            .with(|depths| depths.now.set(depths.now.get() + 1));
        if let Some(context) = context.take() {
            self.push(context);
        }
        let _leave = Leave {
            contexts: self,
            context,
        };
        work()
    }

    #[inline]
    fn leave(&self, context: &mut Option<Box<C>>) {
        self.depths.with(|depths| {
            if depths.topmost.get() == depths.now.get() {
                self.pop(context);
            }
            depths.now.set(depths.now.get() - 1);
        });
    }

    #[cold]
    fn push(&self, context: Box<C>) {
        let depth = self.depths.with(|depths| {
            depths.topmost.set(depths.now.get());
            depths.now.get()
        });
        self.stack
            .with_borrow_mut(|stack| stack.push((depth, context)));
    }

    #[cold]
    fn pop(&self, context: &mut Option<Box<C>>) {
        let (top, below) = self.stack.with_borrow_mut(|stack| {
            let top = stack.pop().map(|(_, context)| context);
            (top, stack.last().map_or(0, |&(depth, _)| depth))
        });
        *context = top;
        self.depths.with(|depths| depths.topmost.set(below));
    }
}

/// Leaves the context, also when the user's code panics.
struct Leave<'a, C: Default + 'static> {
    contexts: &'a Contexts<C>,
    context: &'a mut Option<Box<C>>,
}

impl<C: Default + 'static> Drop for Leave<'_, C> {
    #[inline]
    fn drop(&mut self) {
        self.contexts.leave(self.context);
    }
}
