//! The loop of the thread that owns the model.
//!
//! Requests generate at the same time by taking turns: in each round every
//! running choice gets one token and one prompt gets one chunk. A request whose
//! reader is slow is passed over, one that fails or panics ends alone. With
//! nothing to do the thread sleeps until a request comes or a reader reads.

use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;

use futures::FutureExt as _;
use futures::executor::block_on;
use futures::future::{Either, select, select_all};

use super::queue::Queue;
use super::request::{Request, STEP_EVENTS_MAX, Turn, stopping};
use crate::inference::{InferenceError, InferenceErrorKind};
use crate::model::Model;

/// Runs until the queue closes.
pub(super) fn run(model: &Model, queue: &Arc<Queue>) {
    let mut running: Vec<Request> = Vec::new();
    while !queue.is_closed() {
        while let Some(admitted) = queue.admit() {
            running.push(Request::new(admitted));
        }
        if !round(model, &mut running) {
            wait(queue, &running);
        }
    }
    for mut request in running {
        request.fail(stopping());
    }
}

/// Gives every request its turn; whether anything moved.
fn round(model: &Model, running: &mut Vec<Request>) -> bool {
    let mut moved = false;
    let mut may_prefill = true;
    running.retain_mut(|request| {
        let prefilling = request.is_prefilling();
        let turn = turn(model, request, may_prefill);
        may_prefill &= !prefilling;
        moved |= turn != Turn::Waited;
        turn != Turn::Over
    });
    moved
}

/// One turn; a request whose turn fails is over, and its reader is told.
fn turn(model: &Model, request: &mut Request, may_prefill: bool) -> Turn {
    // A request that panicked is dropped, so no half-changed state is seen again.
    let turn = panic::catch_unwind(AssertUnwindSafe(|| request.turn(model, may_prefill)));
    match turn {
        Ok(Ok(turn)) => turn,
        Ok(Err(error)) => {
            tracing::error!(%error, "a generation failed");
            request.fail(failed().with_source(error));
            Turn::Over
        }
        Err(_) => {
            tracing::error!("a generation panicked");
            request.fail(failed());
            Turn::Over
        }
    }
}

fn failed() -> InferenceError {
    InferenceError::new(InferenceErrorKind::Failed, "the model failed")
}

/// Sleeps until the queue changes, or a reader makes room or goes away.
fn wait(queue: &Queue, running: &[Request]) {
    let changed = queue.changed();
    if running.is_empty() {
        return block_on(changed);
    }
    let room = running.iter().map(|request| request.events().reserve_many(STEP_EVENTS_MAX).boxed());
    let room = select_all(room);
    block_on(async {
        match select(std::pin::pin!(changed), room).await {
            Either::Left(_) | Either::Right(_) => {}
        }
    });
}
