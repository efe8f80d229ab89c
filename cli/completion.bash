# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Completion of p2pbuf. Subcommands and options are those that its --help has.

_p2pbuf_subcommands() {
	p2pbuf --help 2>/dev/null |
		sed -n '/^Subcommands:/,/^$/s/^ *\([a-z]*\)  .*/\1/p'
}

_p2pbuf_options() {
	p2pbuf "$@" --help 2>/dev/null | grep -o -e '--[a-z][a-z0-9-]*'
}

# Functions bound to the exporter or to the importer, or all.
_p2pbuf_functions() {
	local directory=/sys/bus/pci/devices

	[ "$1" ] && directory=/dev/p2pbuf/$1
	ls "$directory" 2>/dev/null
}

_p2pbuf_sources() {
	_p2pbuf_functions exporter | sed 's/.*/export:&:/'
	printf '%s\n' pid: socket: fd:
}

# The words that can be argument number $2 of subcommand $1.
_p2pbuf_arguments() {
	case $1:$2 in
	bind:1 | topo:[12]) _p2pbuf_functions ;;
	bind:2) printf '%s\n' exporter importer ;;
	regions:1 | export:1 | revoke:1) _p2pbuf_functions exporter ;;
	export:2) printf '%s\n' 0 1 2 3 4 5 ;;
	unbind:1) _p2pbuf_functions exporter; _p2pbuf_functions importer ;;
	import:1 | audit:1 | verify:1 | bench:1 | events:1) _p2pbuf_functions importer ;;
	import:2 | audit:2 | verify:2 | bench:2 | events:* | revoke:2) _p2pbuf_sources ;;
	esac
}

_p2pbuf() {
	local line=${COMP_LINE:0:COMP_POINT} current candidates word before number=0
	local -a words

	current=${line##*[[:space:]]}
	read -ra words <<< "${line%"$current"}"
	for word in "${words[@]:2}"; do
		[[ $word == -* ]] || number=$((number + 1))
	done

	if [[ $current == -* ]]; then
		candidates=$(_p2pbuf_options "${words[@]:1:1}")
	elif [ ${#words[@]} -lt 2 ]; then
		candidates=$(_p2pbuf_subcommands)
	else
		candidates=$(_p2pbuf_arguments "${words[1]}" $((number + 1)))
	fi
	mapfile -t COMPREPLY < <(compgen -W "$candidates" -- "$current")

	# Readline replaces what is behind the last colon only.
	before=${current%"${current##*:}"}
	COMPREPLY=("${COMPREPLY[@]#"$before"}")
	[[ ${COMPREPLY[0]} == *: ]] && compopt -o nospace 2>/dev/null
	return 0
}

complete -F _p2pbuf p2pbuf
