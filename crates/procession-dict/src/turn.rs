//! Whose turn it is, so that a change which takes longer than others is not overtaken for ever.

use crate::patience::Patience;
use procession_os::eldest::{Eldest, Since};
use procession_os::turns::{OVERDUE, YIELDS};
use procession_os::wait::Deadline;

/// A change of a stripe that may have to be made anew because others came in between.
pub(crate) struct Turn<'a> {
    eldest: &'a Eldest,
    /// Since when it is tried, if it was overtaken.
    since: Option<(Since, Deadline)>,
}

impl<'a> Turn<'a> {
    #[inline]
    pub(crate) fn new(eldest: &'a Eldest) -> Self {
        Self {
            eldest,
            since: None,
        }
    }

    /// Leaves the stripe to the change that was overtaken for longest, if that is another one.
    #[inline]
    pub(crate) fn let_pass(&self, patience: Patience) {
        if self.eldest.any() {
            self.let_eldest_pass(patience);
        }
    }

    #[cold]
    fn let_eldest_pass(&self, patience: Patience) {
        let mine = self.since.map(|(since, _)| since);
        let is_left = || self.eldest.goes_before(mine);
        let _ = self.eldest.let_pass(YIELDS, patience.deadline(), is_left);
    }

    /// It was overtaken. If that goes on for too long, others have to wait.
    #[cold]
    pub(crate) fn lost(&mut self) {
        let begin = || (Since::now(), Deadline::after(OVERDUE));
        let (since, overdue) = *self.since.get_or_insert_with(begin);
        if overdue.passed() {
            self.eldest.ask(since);
        }
    }
}

impl Drop for Turn<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Some((since, _)) = self.since {
            self.eldest.leave(since);
        }
    }
}
