"""Telling people and programs elsewhere: signed JSON or Slack's form by HTTP POST, plain e-mail by SMTP."""

from towline.notices.courier import NoticeCourier
from towline.notices.mail import MailServer

__all__ = ["MailServer", "NoticeCourier"]
