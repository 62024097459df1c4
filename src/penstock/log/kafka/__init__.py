"""The log on Apache Kafka, through confluent-kafka. What is particular to this home, all in one place:

- Offsets have gaps: a committed transaction ends with a marker that takes an offset in each partition it wrote. `end_offset` counts markers,
  `read` passes over them, so read on from the last record's offset + 1.
- Readers see committed records only (isolation level read_committed): they stop before a transaction that is still open, and
  another producer's open transaction hides what is committed after it in the same partition.
- `append` of one `Append` goes by an idempotent producer, of several by a Kafka transaction. Of one large `Append`, cut off by a failure of the
  cluster, a first part may have been written.
- A write transaction's appends and offsets are one Kafka transaction. Its state is one LMDB transaction on this machine, committed right after
  Kafka's: a crash between the two loses the state's step but not the records'. (A changelog topic will close that gap.)
- A snapshot's state is LMDB's own snapshot; its topics are those of Kafka up to the ends that they had at the first look.
- `sequence` is the record's timestamp: Kafka knows no order over topics.
- `version` is this process's count of the changes it has noticed; `watch` asks the cluster for all ends every 50 ms.
- Cleaning is the broker's, so `clean` does nothing. Compaction and retention go by segments, and never touch the active one.
- Timestamps begin at 1: the client library takes 0 for "now", so 0 and less are refused.
- Empty header lists read as null.
"""
