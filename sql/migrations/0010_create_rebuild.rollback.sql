SELECT dbperf.refuse_rebuilds();

DROP TABLE dbperf.rebuild;
