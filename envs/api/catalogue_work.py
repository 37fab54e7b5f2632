"""Functions for work and its errands: reminders, messages, meetings, money, files."""

from collections.abc import Mapping

from envs.api.catalogue_daily import PEOPLE
from envs.api.function import Function, function
from envs.api.parameters import amount, choice, clock, day, flag, listing, money, text, whole

CHORES = (
    *("water the plants", "call the plumber", "pay the rent", "feed the cat", "return the library books", "buy stamps"),
    *("pick up the parcel", "renew the passport", "back up the laptop", "clean the fridge", "send the invoice"),
)
MEETINGS = (
    *("Budget review", "Design sync", "Sprint planning", "Hiring panel", "Sales call", "Team lunch", "Safety talk"),
    *("Press briefing", "Year plan"),
)
MESSAGES = (
    *("I am running late", "the keys are in the mailbox", "see you at noon", "the meeting room has changed"),
    *("dinner is ready", "the train is delayed", "please call me back", "the report is done", "happy birthday"),
)
GROUPS = ("Family", "Book Club", "Neighbours", "Climbing", "Choir", "Class of 2012", "Project Delta", "Band")
PAYEES = ("the electric company", "the water works", "the gas company", "the phone company", "the city council")
FILES = ("budget.xlsx", "notes.txt", "thesis.pdf", "logo.png", "plan.docx", "slides.pptx", "data.csv", "photo.jpg")
FOLDERS = ("Archive", "Projects", "Taxes", "Photos", "Shared", "Drafts", "Invoices", "Travel")
_NAMES = tuple(f"{word}_{n}.bak" for word in ("meadow", "candid", "lucid", "vivid", "zeal") for n in (1, 2, 3))

_MINUTES = {"minutes": "1", "hours": "60"}

WORK: Mapping[str, tuple[Function, ...]] = {
    "reminders": (
        function(
            "set_reminder",
            "Reminds of a task at a time on a day.",
            "remind me to {task}[ {date}][ at {time}][, with {priority} priority]",
            task=text(CHORES),
            date=day(),
            time=clock(),
            priority=choice(["normal", "low", "high"], default="normal"),
        ),
        function(
            "set_alarm",
            "Sets an alarm for a time of day.",
            "set an alarm[ for {time}][, repeated {repeat}][, with the label {label}]",
            each="time",
            time=clock(),
            repeat=choice({"never": "never", "daily": "daily", "weekdays": "on weekdays"}, default="never"),
            label=text(["alarm", "Gym", "School run", "Medication", "Early shift"], default="alarm"),
        ),
        function(
            "set_timer",
            "Starts a timer that counts down.",
            "(start|set) a timer[ of {duration}][ for the {label}]",
            each="duration",
            duration=amount(_MINUTES, [3, 5, 8, 10, 12, 25, 35, 45], "duration", "long", "minutes"),
            label=text(["timer", "pasta", "tea", "laundry", "bread", "roast"], default="timer"),
        ),
        function(
            "delete_alarm",
            "Deletes the alarm of a time of day.",
            "(delete|remove) my alarm of {time}",
            each="time",
            time=clock(),
        ),
        function(
            "add_todos",
            "Puts tasks on a to-do list.",
            "(add|put) the to-dos {tasks}[ (to|on) the list {list_name}]",
            tasks=listing(CHORES),
            list_name=text(["Home", "Office", "Weekend", "Errands", "Moving"], "list"),
        ),
        function(
            "start_stopwatch",
            "Starts the stopwatch, which counts up until it is stopped.",
            "start the stopwatch[ for the {activity}]",
            activity=text(["sprint", "plank", "speech", "quiz", "swim", "interview", "climb"]),
        ),
    ),
    "messages": (
        function(
            "send_text",
            "Sends a text message to a person.",
            'send a text message[ to {recipient}]: "{message}"',
            each="recipient",
            recipient=text(PEOPLE, "recipient", "who", "whom", "person"),
            message=text(MESSAGES),
        ),
        function(
            "send_email",
            "Sends an e-mail to a person.",
            'send an e-mail[ to {recipient}] with the subject "{subject}"[, text "{body}"][, marked urgent{urgent}]',
            recipient=text(PEOPLE, "recipient", "who", "whom", "person"),
            subject=text([f"About: {m}" for m in MEETINGS]),
            body=text(MESSAGES, "body", "text"),
            urgent=flag(),
        ),
        function(
            "post_message",
            "Posts a message to a group chat.",
            'post "{message}"[ to the group {group}]',
            each="group",
            group=text(GROUPS),
            message=text(MESSAGES),
        ),
        function(
            "mute_group",
            "Mutes a group chat for some hours.",
            "mute the group {group}[ for {hours}]",
            each="group",
            group=text(GROUPS),
            hours=whole(1, 48, "hours", "long", of="hours"),
        ),
        function(
            "call_person",
            "Calls a person on the phone.",
            "(call|phone|ring) {person}[ with {mode} on]",
            person=text(PEOPLE),
            mode=choice(["voice", "video", "speaker"], default="voice"),
        ),
        function(
            "block_sender",
            "Blocks all messages of a person.",
            "block the sender {sender}[ for {reason}]",
            each="sender",
            sender=text(PEOPLE),
            reason=choice(["spam", "abuse", "fraud"], "reason", "why"),
        ),
    ),
    "meetings": (
        function(
            "schedule_meeting",
            "Puts a meeting on the calendar and invites people.",
            'schedule the meeting "{title}"[ {date}][ at {time}][ for {duration}] with {attendees}[, {place}]',
            title=text(MEETINGS),
            date=day(),
            time=clock(),
            attendees=listing(PEOPLE),
            duration=amount(_MINUTES, [15, 20, 30, 45, 50, 90], "duration", "long", "minutes"),
            place=choice({"online": "online", "room_a": "in room A", "room_b": "in room B"}, default="online"),
        ),
        function(
            "cancel_meeting",
            "Takes a meeting off the calendar.",
            'cancel the meeting "{title}"[ {date}]',
            title=text(MEETINGS),
            date=day(),
        ),
        function(
            "move_meeting",
            "Moves a meeting to another day and time.",
            'move the meeting "{title}" to another slot:[ {date}][ at {time}]',
            title=text(MEETINGS),
            date=day(),
            time=clock(),
        ),
        function(
            "invite_guest",
            "Invites one more person to a meeting that is on the calendar.",
            'send an invitation[ to {person}] for the meeting "{title}"[ as an optional guest{optional}]',
            each="person",
            person=text(PEOPLE, "person", "who", "whom"),
            title=text(MEETINGS),
            optional=flag(),
        ),
        function(
            "list_meetings",
            "All meetings of a day.",
            "(list|show) my meetings[ {date}]",
            date=day(),
        ),
        function(
            "record_meeting",
            "Records a meeting and keeps the minutes.",
            'record the meeting "{title}"[ in {language}][, with {quality} quality]',
            title=text(MEETINGS),
            language=choice(["english", "spanish", "french", "japanese", "arabic"]),
            quality=choice(["medium", "low", "high"], default="medium"),
        ),
    ),
    "money": (
        function(
            "transfer_money",
            "Sends money to a person.",
            '(send|transfer)[ {amount}] to {recipient}[ from my {account} account][, with the note "{note}"]',
            each="recipient",
            recipient=text(PEOPLE),
            amount=money(5, 900, "amount", "much"),
            account=choice(["checking", "savings", "business"], default="checking"),
            note=text(["none", "Rent share", "Birthday", "Groceries", "Tickets"], default="none"),
        ),
        function(
            "pay_bill",
            "Pays a company's bill.",
            "pay the bill of {company}[, {amount}][, {date}]",
            company=text(PAYEES),
            amount=money(20, 400, "amount", "much"),
            date=day(),
        ),
        function(
            "show_balance",
            "The balance of an account.",
            "(show|tell) me the balance of my[ {account}] account",
            each="account",
            account=choice(["checking", "savings", "business", "travel", "pension", "joint", "student", "brokerage"]),
        ),
        function(
            "block_card",
            "Blocks a bank card.",
            "block my[ {kind}] card ending in {digits}",
            digits=text([str(n) for n in range(1041, 9999, 131)]),
            kind=choice(["debit", "credit", "virtual"]),
        ),
        function(
            "split_bill",
            "Splits a sum evenly and asks each person for their share.",
            "split a bill[ of {total}] with {people}",
            people=listing(PEOPLE),
            total=money(30, 600, "total", "amount", "much"),
        ),
        function(
            "set_budget",
            "Sets how much may be spent on something in a month.",
            "set my monthly budget for {category}[ to {amount}][ and warn me at {warn_at}]",
            category=choice(["groceries", "travel", "clothing", "hobbies", "transport", "gifts"]),
            amount=money(50, 900, "amount", "much"),
            warn_at=whole(50, 99, of="percent", default=90),
        ),
    ),
    "files": (
        function(
            "share_file",
            "Shares a file with a person.",
            "share the file {file} with {person}[, who may {access} it]",
            each="person",
            file=text(FILES),
            person=text(PEOPLE),
            access=choice({"view": "view", "comment": "comment on", "edit": "edit"}, default="view"),
        ),
        function(
            "move_file",
            "Moves a file to a folder.",
            "move the file {file}[ to the folder {folder}]",
            each="file",
            file=text(FILES),
            folder=text(FOLDERS),
        ),
        function(
            "copy_file",
            "Copies a file to a folder; the original stays.",
            "copy the file {file}[ to the folder {folder}]",
            each="file",
            file=text(FILES),
            folder=text(FOLDERS),
        ),
        function(
            "rename_file",
            "Gives a file another name.",
            "rename the file {file}[ to {name}]",
            file=text(FILES),
            name=text(_NAMES, "name"),
        ),
        function(
            "delete_files",
            "Deletes files for good.",
            "delete the files {files}[ from the folder {folder}]",
            files=listing(FILES),
            folder=text(FOLDERS),
        ),
        function(
            "convert_file",
            "Saves a file in another format.",
            "convert the file {file}[ into the {form} format][ at {quality} quality]",
            each="file",
            file=text(FILES),
            form=choice(["html", "epub", "svg", "json"], "format"),
            quality=choice(["normal", "draft", "print"], default="normal"),
        ),
    ),
}
