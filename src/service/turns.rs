//! Who may go on: a bounded number of seats, shared out fairly among the sources of requests.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// Seats for requests whose further handling costs something: database reads, public-key work, a question to another
/// server. Where all are taken, requests wait, a bounded number, and source addresses take turns; where no more may wait,
/// the source that fills the queue loses a place to one that has less than its share. A flood from few sources delays those
/// sources.
#[derive(Clone)]
pub struct Turns(Arc<Mutex<Queue>>);

/// One request's seat; whoever is next gets it when this is dropped.
pub struct Seat(Option<Turns>);

struct Queue {
    free: usize,
    /// Requests that may wait.
    capacity: usize,
    waiting: usize,
    by_source: HashMap<IpAddr, VecDeque<oneshot::Sender<Seat>>>,
    /// The sources that wait, in the order of their turns.
    turns: VecDeque<IpAddr>,
}

impl Queue {
    /// A place in the queue, or `None` where the source has its share of a full one.
    fn push(&mut self, source: IpAddr) -> Option<oneshot::Receiver<Seat>> {
        if self.waiting >= self.capacity && !self.make_room(source) {
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        let places = self.by_source.entry(source).or_default();
        if places.is_empty() {
            self.turns.push_back(source);
        }
        places.push_back(sender);
        self.waiting += 1;
        Some(receiver)
    }

    /// Drops the newest place of the source that has most, unless `source` has its share already.
    fn make_room(&mut self, source: IpAddr) -> bool {
        let own = self.by_source.get(&source).map_or(0, VecDeque::len);
        let sources = self.by_source.len() + usize::from(own == 0);
        if own >= self.capacity / sources.max(1) {
            return false;
        }
        let most = self.by_source.iter().max_by_key(|(_, places)| places.len());
        let Some(longest) = most.map(|(source, _)| *source) else {
            return false;
        };
        let Some(places) = self.by_source.get_mut(&longest) else {
            return false;
        };
        places.pop_back();
        if places.is_empty() {
            self.by_source.remove(&longest);
            self.turns.retain(|turn| *turn != longest);
        }
        self.waiting -= 1;
        true
    }

    /// Who is next, of the source whose turn it is.
    fn pop(&mut self) -> Option<oneshot::Sender<Seat>> {
        let source = self.turns.pop_front()?;
        let places = self.by_source.get_mut(&source)?;
        let next = places.pop_front()?;
        if places.is_empty() {
            self.by_source.remove(&source);
        } else {
            self.turns.push_back(source);
        }
        self.waiting -= 1;
        Some(next)
    }
}

impl Turns {
    /// `seats` seats, and room for `capacity` requests that wait for one.
    pub fn new(seats: usize, capacity: usize) -> Self {
        Self(Arc::new(Mutex::new(Queue {
            free: seats,
            capacity,
            waiting: 0,
            by_source: HashMap::new(),
            turns: VecDeque::new(),
        })))
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A seat for a request of `source`, once it is its turn; `None` where no more of it may wait.
    pub async fn seat(&self, source: IpAddr) -> Option<Seat> {
        let place = {
            let mut queue = self.queue();
            if queue.free > 0 {
                queue.free -= 1;
                return Some(Seat(Some(self.clone())));
            }
            queue.push(source)?
        };
        place.await.ok()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let Some(turns) = self.0.take() else { return };
        loop {
            let next = {
                let mut queue = turns.queue();
                let Some(next) = queue.pop() else {
                    queue.free += 1;
                    return;
                };
                next
            };
            match next.send(Seat(Some(turns.clone()))) {
                Ok(()) => return,
                // Whoever waited has gone; that seat goes to the next, and is not given up twice.
                Err(mut seat) => seat.0 = None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    /// Places of `flooder` that fill a queue of `capacity` behind one taken seat.
    async fn flooded(flooder: IpAddr, capacity: usize) -> (Turns, Seat, Vec<oneshot::Receiver<Seat>>) {
        let turns = Turns::new(1, capacity);
        let seat = turns.seat(flooder).await.expect("the first seat is free");
        let places = (0..capacity)
            .map(|_| turns.queue().push(flooder).expect("room"))
            .collect();
        assert!(turns.queue().push(flooder).is_none(), "a bound is a bound");
        (turns, seat, places)
    }

    #[tokio::test]
    async fn a_flood_of_one_source_neither_keeps_others_out_nor_before_itself() {
        let (turns, seat, mut flood) = flooded(source(1), 8).await;
        let mut others: Vec<_> = (2..5)
            .map(|last| turns.queue().push(source(last)).expect("its share"))
            .collect();
        assert_eq!(turns.queue().waiting, 8);
        // The flood lost three places, and its first is served before the others in turn.
        drop(seat);
        let mut seats = vec![flood.remove(0).try_recv().expect("the first of the flood")];
        for other in &mut others {
            drop(seats.pop());
            seats.push(other.try_recv().expect("the next turn"));
        }
        drop(seats.pop());
        assert!(flood.remove(0).try_recv().is_ok());
    }

    #[tokio::test]
    async fn a_flood_of_many_sources_takes_no_more_than_the_queue() {
        let (turns, seat, flood) = flooded(source(1), 4).await;
        let taken: Vec<_> = (2..200).filter_map(|last| turns.queue().push(source(last))).collect();
        {
            let queue = turns.queue();
            assert_eq!(
                (taken.len(), queue.waiting, queue.by_source.len(), queue.turns.len()),
                (3, 4, 4, 4)
            );
        }
        // Those who wait go away; the seat is found free.
        drop((taken, flood, seat));
        let queue = turns.queue();
        assert_eq!((queue.free, queue.waiting, queue.turns.len()), (1, 0, 0));
    }
}
