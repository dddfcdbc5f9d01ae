# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Bash completion for vfio-snapshot(8).

_vfio_snapshot_functions()
{
	local path

	for path in /sys/bus/pci/devices/*; do
		# Skip bridges.
		[[ -e $path/physfn || -e $path/sriov_numvfs || -e $path/vfio-dev ]] || continue
		printf '%s\n' "${path##*/}"
	done
}

_vfio_snapshot_drivers()
{
	sed -n 's/^alias vfio_pci:[^ ]* //p' "/lib/modules/$(uname -r)/modules.alias" 2>/dev/null |
		sort -u
}

# complete WORD LIST: set COMPREPLY; handle colons, at which readline breaks words.
_vfio_snapshot_reply()
{
	local cur=$1 words=$2 colon_prefix

	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
	if [[ $cur == *:* && $COMP_WORDBREAKS == *:* ]]; then
		colon_prefix=${cur%"${cur##*:}"}
		COMPREPLY=("${COMPREPLY[@]#"$colon_prefix"}")
	fi
}

_vfio_snapshot()
{
	local -A options=(
		[list]="--all --json" [bind]="--driver --json" [unbind]="--json" [arcs]="--json"
		[save]="--json" [restore]="--json" [info]="--json" [explain]="--json"
		[watch]="--seconds --from --json"
		[timeline]="--from --record --trace --svg --json"
	)
	local line=${COMP_LINE:0:COMP_POINT} cur prev command
	local -a words

	# Split the line at spaces, not at colons.
	read -ra words <<<"$line"
	[[ $line == *[[:space:]] ]] && words+=("")
	cur=${words[-1]}
	prev=${words[${#words[@]} - 2]}
	command=${words[1]:-}
	COMPREPLY=()

	if ((${#words[@]} <= 2)); then
		_vfio_snapshot_reply "$cur" "${!options[*]}"
		return
	fi
	case $prev in
	--driver)
		_vfio_snapshot_reply "$cur" "$(_vfio_snapshot_drivers)"
		return
		;;
	--from | --trace | --svg)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	--record | --seconds) return ;;
	esac
	if [[ $cur == -* ]]; then
		_vfio_snapshot_reply "$cur" "${options[$command]:-}"
		return
	fi
	case $command in
	list | bind | unbind | arcs | watch)
		_vfio_snapshot_reply "$cur" "$(_vfio_snapshot_functions)"
		;;
	save | restore)
		if ((${#words[@]} <= 3)); then
			_vfio_snapshot_reply "$cur" "$(_vfio_snapshot_functions)"
		else
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		fi
		;;
	info) mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
	esac
}

complete -o filenames -F _vfio_snapshot vfio-snapshot
