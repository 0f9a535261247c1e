"""Schedules looked at afterwards: workloads of agents, and their replay under any policy."""
