#!/bin/sh
# AWS_LAMBDA_EXEC_WRAPPER=/var/task/wrapper.sh: Lambda hands over the command that starts its runtime.
exec "${LAMBDA_TASK_ROOT:-.}/bin/glowplug" thaw "${LAMBDA_TASK_ROOT:-.}/handler.image" --sealed -- "$@"
