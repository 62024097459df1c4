"""Chat bots over a database: forms from schemas, lookups, alerts and pictures, in Telegram or in the terminal.

A bot is made of commands, which know nothing of the door that people come through:

    bot = Bot(db, "carparks", [
        Lookup("spaces", "Free spaces in a car park", "SELECT ... WHERE name = :name;", "{EMPTY} spaces are free.", [Argument("name")]),
        Alert("alert", "Tell me of free spaces", "{NAME} has {EMPTY} spaces.", source="carpark_events",
              arguments=[Argument("spaces", "INT")], when=lambda row, wish: row["EMPTY"] >= wish["spaces"]),
        Picture("day", "Occupancy over time", "SELECT ...;", Lines(x="TS", y="EMPTY", series="NAME")),
        Form("update_plant", "Tell me of a plant", into="houseplant_metadata", given={"id": lambda a: str(a["plant_id"])}),
    ])
    bot.run(TerminalDoor(), stop)        # or TelegramDoor(token)
"""

from penstock.bots.alert import Alert
from penstock.bots.arguments import Argument
from penstock.bots.bot import Bot
from penstock.bots.charts import Bars, Chart, Lines
from penstock.bots.door import ChatGoneError, Door, Listener, MemoryDoor, NotSentError
from penstock.bots.fields import Field
from penstock.bots.form import Answers, Form, chat_id
from penstock.bots.lookup import Action, Lookup, Picture
from penstock.bots.messages import Location, Message, Reply
from penstock.bots.telegram import TelegramDoor
from penstock.bots.terminal import TerminalDoor
from penstock.bots.turn import Command, Conversation, Handler, OneTurn, Turn
from penstock.bots.values import AnswerError

__all__ = [
    "Action", "Alert", "AnswerError", "Answers", "Argument", "Bars", "Bot", "Chart", "ChatGoneError", "Command", "Conversation", "Door", "Field",
    "Form", "Handler", "Lines", "Listener", "Location", "Lookup", "MemoryDoor", "Message", "NotSentError", "OneTurn", "Picture", "Reply",
    "TelegramDoor", "TerminalDoor", "Turn", "chat_id",
]  # fmt: skip
