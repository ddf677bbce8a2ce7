//! What stands for metrics where they are not compiled in.

use pr_core::RequestConfig;

use crate::policy::{Reply, observer::Step};

/// Nobody measures.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meters;

/// There is none.
#[derive(Debug)]
pub(crate) enum Meter {}

impl Meters {
    #[expect(
        clippy::unused_self,
        reason = "it is what measures where metrics are compiled in"
    )]
    pub(crate) fn are_wanted(&self) -> bool {
        false
    }

    #[expect(
        clippy::unused_self,
        reason = "it is what measures where metrics are compiled in"
    )]
    pub(crate) fn begin(&self, _: &RequestConfig, _: Step) -> Option<Meter> {
        None
    }
}

impl Meter {
    pub(crate) fn end(self, _: &Reply) {
        match self {}
    }

    pub(crate) fn cancel(self) {
        match self {}
    }
}
