"""The outbox: from the end of a call until the collector has acknowledged it, its span is on disk.

**Order.** `Outbox.put`, in the thread that ended the call and before the app gets the end of the answer,
appends one record to the process' segment with one `write`: a kill from then on loses nothing. The sender's
thread reads segments, sends, and marks in the segment what the collector has taken; a segment that is done
with is deleted. A kill between the answer and the mark sends again what the ledger then counts once. What a
process leaves is sent by any other of the same destination, by the next start, or by
`python -m spanledger outbox flush`.

**Power loss** can take what was written since the last `fsync`: those of the last second (`sync_interval`)
and of the time that the sync itself takes. `status` prints it.

**Full.** Beyond the limit for all processes together no new segment is opened; the newest spans wait in
memory, and once that is full they are refused and counted, the oldest are kept: what is missing is then one
stretch of time with a beginning and an end. The limit is looked at per segment, so each process may go
beyond it by one (4 MiB).

**Memory** takes over where the disk cannot be used (no directory, no space, an error, the limit), and after a
stall, so that the app is not delayed again. It is said once in the log and for as long as it lasts in the
status; the keeper tries the disk again, ever less often, and brings what waits in memory there.

**Locks.** None in `put`: it writes to whichever segment is active, and opens one where none is; two threads
may both. A segment may be deleted once it is delivered and no reference to its `Writer` is left, so that no
thread can still be about to write to it; its descriptors are closed by their last reference (`descriptor`).
A box is held by `flock` on its lock file (`box`); whoever has that lock is the one sender of its segments.
Delivery's `_sending` lets one thread at a time take, acknowledge and adopt. The keeper (`keeper`) syncs,
writes the status, and tries again.

**Forks.** The child closes the descriptors it inherited, the lock first (it would hold the box beyond the
parent's death), and begins with nothing: a box of its own with its first span. Where a server forks without
telling Python (uWSGI), the first span in the child notices another process id and does the same.

    record       one span in a segment, and what is damaged between two
    segment      one file: written here, read and marked there
    box          the folder of one process, and its lock
    folder       the directory of all of them, its limit
    source       the segments of one box, as the sender takes them
    adoption     boxes that nobody holds any more
    aside        what needs a person
    keeper       the thread for the disk
    outbox       the `Queue` that delivery uses
    status       what stands where; `command` shows it and sends what is left
"""

from spanledger.delivery.outbox.outbox import Outbox

__all__ = ["Outbox"]
