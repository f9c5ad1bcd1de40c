"""What tables and charts are computed with: aggregates, intervals, statistics, profiles."""
