//! The spare thread, which polls tasks while all other threads are in exchanges.

use std::{
    io,
    sync::{Arc, PoisonError},
    thread::JoinHandle,
};

use crate::{
    life::PATIENCE,
    tasks,
    threads::{Call, State, Threads},
};

/// The thread that only polls tasks.
#[derive(Default)]
pub(crate) enum Spare {
    #[default]
    None,
    /// It will look for tasks before it sleeps.
    Awake(JoinHandle<()>),
    Asleep(JoinHandle<()>),
}

impl Threads {
    /// Has the spare thread come, if it does not anyway.
    pub(crate) fn call_spare(self: &Arc<Self>, state: &mut State) -> io::Result<Call> {
        match std::mem::take(&mut state.spare) {
            Spare::None => {
                let handle = self.start("pr-blocking-spare".to_owned(), |threads| {
                    threads.poll_tasks();
                })?;
                state.spare = Spare::Awake(handle);
                Ok(Call::Nobody)
            }
            Spare::Asleep(handle) => {
                state.spare = Spare::Awake(handle);
                Ok(Call::TheSpare)
            }
            awake @ Spare::Awake(_) => {
                state.spare = awake;
                Ok(Call::Nobody)
            }
        }
    }

    /// The life of the spare thread.
    fn poll_tasks(&self) {
        let mut state = self.state();
        while !state.closed {
            if let Some(runnable) = state.tasks.next() {
                self.publish(&state);
                drop(state);
                tasks::poll_only(runnable);
                state = self.state();
                continue;
            }
            state.spare = match std::mem::take(&mut state.spare) {
                Spare::Awake(handle) => Spare::Asleep(handle),
                other => other,
            };
            let waited = self.spare_work.wait_timeout(state, PATIENCE);
            let (now, waited) = waited.unwrap_or_else(PoisonError::into_inner);
            state = now;
            if matches!(state.spare, Spare::Awake(_)) || state.closed {
                continue;
            }
            if waited.timed_out() {
                // The handle is let go: nobody needs to wait for this thread.
                state.spare = Spare::None;
                return;
            }
        }
    }
}

impl Spare {
    pub(crate) fn into_handle(self) -> Option<JoinHandle<()>> {
        match self {
            Self::None => None,
            Self::Awake(handle) | Self::Asleep(handle) => Some(handle),
        }
    }
}
