#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# An automated rollout, to be copied and changed: starts, waits for requests at each stage, checks
# them, promotes, and rolls back when anything is wrong. Needs grayctl in the PATH and jq.
#   [REQUESTS=200] [SECONDS_A_STAGE=3600] [BAD_PERCENT=2] [PAUSE=5] rollout.sh RELEASE
# Exits 0: the candidate has 100 % and does well there; 1: refused, or somebody else changed it;
# 3: rolled back; 4: somebody, or its plan, put it on hold; 5: too few requests came: rolled back.
set -u
release=${1:?usage: rollout.sh RELEASE}
requests=${REQUESTS:-200}        # that the candidate must have finished at a stage
seconds=${SECONDS_A_STAGE:-3600} # in which they must come
bad_percent=${BAD_PERCENT:-2}    # of them may end badly, those that stable had to answer included

roll_back() { # STATUS REASON
	grayctl rollback "$release" --reason "$2" && exit "$1"
	echo "$0: could not roll back $release: do it by hand" >&2
	exit 1
}
trap 'roll_back 3 "the rollout was interrupted"' INT TERM

# Finished requests of the candidate, how many of them ended badly, its stage, its revision.
figures() {
	grayctl -j stats "$release" | jq -er '.releases[] | .stage as $stage | .revision as $revision |
		.arms.candidate | .outcomes as $o | ([$o[]] | add // 0) as $all |
		"\($all) \($all - .ok - ($o.cancelled // 0) - ($o.rescued // 0)) \($stage) \($revision)"'
}
look() {
	read -r finished bad stage revision <<<"$(figures)"
	[ -n "${revision:-}" ] || roll_back 3 "there are no figures to judge by"
}

grayctl start "$release" --reason "automated rollout" || exit 1
while look; do
	begun=$finished bad_before=$bad here=$stage mine=$revision deadline=$((SECONDS + seconds))
	while [ $((finished - begun)) -lt "$requests" ]; do
		[ "$SECONDS" -lt "$deadline" ] || roll_back 5 "too few requests at $here %"
		grayctl status "$release" --wait state=rolled_back --timeout "${PAUSE:-5}" >/dev/null 2>&1
		case $? in 0) exit 3 ;; 4) exit 4 ;; 5) ;; *) roll_back 3 "grayd does not answer" ;; esac
		look
		[ $(((bad - bad_before) * 100)) -le $((requests * bad_percent)) ] ||
			roll_back 3 "$((bad - bad_before)) of $((finished - begun)) requests ended badly at $here %"
	done
	[ "$here" -lt 100 ] || break
	grayctl promote "$release" --if-revision "$mine" \
		--reason "$((bad - bad_before)) of $((finished - begun)) requests ended badly" || exit 1
done
