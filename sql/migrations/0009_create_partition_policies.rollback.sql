SELECT dbperf.refuse_partition_policies();

DROP TABLE dbperf.closed_partition;

DROP TABLE dbperf.maintenance_log;

DROP TABLE dbperf.partition_policy;
