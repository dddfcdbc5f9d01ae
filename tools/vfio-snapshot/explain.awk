# SPDX-License-Identifier: GPL-2.0-only
# Makes the table of "vfio-snapshot explain" from troubleshooting.rst, so that the advice is written
# once. A table of that page is used if the first cell of its header is Message, Line, Cause or Number.

BEGIN {
	# Words of the page that stand for any text
	split("ARG CAUSE ERRNO FROM N NAME OP STATE TO", list)
	for (i in list)
		varies[list[i]] = 1
}

# What to look for: * stands for any text.
function pattern(text,    word, head)
{
	gsub(/\[[^]]*\]|\.\.\./, "*", text)
	while (match(text, /[A-Za-z0-9_]+/)) {
		word = substr(text, RSTART, RLENGTH)
		head = head substr(text, 1, RSTART - 1) (word in varies ? "*" : word)
		text = substr(text, RSTART + RLENGTH)
	}
	return head text
}

# Without the mark-up: a literal in quotes, a page by its file.
function plain(text,    page)
{
	while (match(text, /:doc:`[^`]*`/)) {
		page = substr(text, RSTART + 6, RLENGTH - 7)
		text = substr(text, 1, RSTART - 1) page ".rst" substr(text, RSTART + RLENGTH)
	}
	gsub(/``/, "\"", text)
	return text
}

function quoted(text)
{
	gsub(/[\\"]/, "\\\\&", text)
	return "\"" text "\""
}

function emit(message, words, advice, detail)
{
	printf "\t{ %s,\n\t  %s,\n\t  %s, %s },\n", quoted(message), quoted(words),
		quoted(plain(advice)), detail ? "true" : "false"
}

function end_of_row(    text, message)
{
	if (!cells)
		return
	if (header == "") {
		header = cell[1]
	} else if (header == "Message" || header == "Line" || header == "Cause") {
		text = cell[1]
		while (match(text, /``[^`]+``/)) {
			message = substr(text, RSTART + 2, RLENGTH - 4)
			text = substr(text, RSTART + RLENGTH)
			emit(message, pattern(message), cell[2], header == "Cause")
			rows[header]++
		}
	} else if (header == "Number") {
		emit(cell[1], ": " cell[1] ", no firmware command failed", cell[2] ": " cell[3], 1)
		rows[header]++
	}
	cells = 0
}

/^\.\. list-table::/ { end_of_row(); table = 1; header = ""; next }
/^[^ ]/ { end_of_row(); table = 0 }
!table { next }
/^   \* - / { end_of_row(); cell[cells = 1] = substr($0, 8); next }
/^     - / { cell[++cells] = substr($0, 8); next }
/^       / && cells { cell[cells] = cell[cells] " " substr($0, 8) }

END {
	end_of_row()
	if (!rows["Message"] || !rows["Line"] || !rows["Cause"] || !rows["Number"]) {
		print FILENAME ": a table of messages, lines, causes or errnos is missing" >"/dev/stderr"
		exit 1
	}
}
