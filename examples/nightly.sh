#!/bin/sh
# What an agent does every night, filed under its date. For cron (crontab -e):
#
#     30 2 * * *  cd ~/desk && /path/to/examples/nightly.sh
#
# Cron has hardly any environment, so PATH says where llmos is. The kernel is started if none runs.
# A task that fails or takes too long ends the night with its status, and nothing is filed.
set -eu
PATH="$HOME/.local/bin:$PATH"

report=$(mktemp)
trap 'rm -f "$report"' EXIT

while read -r task; do
    printf '## %s\n\n' "$task"
    llmos run --timeout 2m --limit tokens=20k "$task" < /dev/null
    printf '\n'
done > "$report" << TASKS
list all files in letters
read todo.md
search for call
TASKS

mkdir -p reports
mv "$report" "reports/$(date +%F).md"
